"""A check's result as JUnit's XML, as most CI servers read it: a test case a bench, its figures as properties."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from m0sim.check.formats import text
from m0sim.check.result import Result
from m0sim.check.verdict import Verdict

# What XML 1.0 (2.2) has no way to write, not even as a reference.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(result: Result) -> str:
    """One suite. A fault or refusal is an error, a cost over its limit or a wrong result a failure."""
    suite_name = "m0sim" if result.manifest is None else str(result.manifest)
    suite = ElementTree.Element("testsuite", name=_clean(suite_name))
    for verdict in result.verdicts:
        case = ElementTree.SubElement(suite, "testcase", classname="m0sim", name=_clean(verdict.name))
        _add_properties(case, verdict)
        if verdict.is_bad:
            is_error = verdict.failure is not None and verdict.failure.kind not in ("expect", "exit")
            kind = "error" if is_error else "failure"
            told = ElementTree.SubElement(case, kind, message=_clean(verdict.reasons[0]), type=verdict.status)
            told.text = _clean("\n".join(text.below_title(verdict)))
    suite.set("tests", str(len(result.verdicts)))
    for kind in ("failure", "error"):
        suite.set(f"{kind}s", str(len(suite.findall(f"testcase/{kind}"))))
    suite.set("skipped", "0")
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _add_properties(case: ElementTree.Element, verdict: Verdict) -> None:
    properties = ElementTree.SubElement(case, "properties")
    pairs: list[tuple[str, str]] = [("status", verdict.status)]
    if verdict.figures is not None:
        pairs += [("flash", verdict.figures.waits)] if verdict.figures.waits else []
        pairs += [(figure, str(value)) for figure, value in verdict.figures.shown.items()]
    if verdict.baseline is not None:
        pairs += [(f"baseline_{figure}", str(value)) for figure, value in verdict.baseline.shown.items()]
    for name, value in pairs:
        ElementTree.SubElement(properties, "property", name=_clean(name), value=value)


def _clean(value: str) -> str:
    return _NO_XML.sub("?", value)
