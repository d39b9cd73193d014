"""Fail if a test was skipped for a reason that is not in the list below.

    python ci/check_no_test_skipped.py junit.xml

A backend that is silently missing would otherwise look like a passing one.
"""

import re
import sys
import xml.etree.ElementTree as ET

ALLOWED = {
    r"needs a CUDA GPU": "run where there is one",
}


def main(report: str) -> int:
    """Print what was skipped; return 1 if anything was without leave, or if no test ran."""
    allowed, refused, ran = 0, [], 0
    for case in ET.parse(report).iter("testcase"):
        skip = case.find("skipped")
        if skip is None or skip.get("type") == "pytest.xfail":
            ran += 1
            continue
        reason = f"{skip.get('message')} {skip.text}"  # a skipped module has its reason in the text
        if any(re.search(pattern, reason) for pattern in ALLOWED):
            allowed += 1
        else:
            refused.append(f"{case.get('classname')}::{case.get('name')}: {reason}")
    for line in refused:
        print("skipped without leave:", line)
    print(f"{ran} ran, {allowed} skipped with leave, {len(refused)} skipped without")
    if not ran:
        print("no test ran")
    return 1 if refused or not ran else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
