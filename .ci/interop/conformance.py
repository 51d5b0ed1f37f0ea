#!/usr/bin/env python3
"""The tables of amqp-proto/docs/CONFORMANCE.md, from the results of the example `conformance`.
Usage: conformance.py RESULTS [--write]
RESULTS is a folder with a file NAME.json for each broker. Without --write the tables are printed."""
import json, pathlib, sys

PAGE = pathlib.Path(__file__).parents[2] / "amqp-proto/docs/CONFORMANCE.md"
START, END = "<!-- the tables of .ci/interop/conformance -->", "<!-- the end of the tables -->"
BROKERS = {"ours": "ours", "rabbitmq": "RabbitMQ 3.10", "rabbitmq-4": "RabbitMQ 4",
           "proton-broker": "Proton", "rhea-broker": "rhea"}
SIGNS = {"pass": "yes", "deviates": "**no**", "lenient": "lenient", "not tried": "–"}


def plain(text):
    """Text for a cell of a table, cut to what a reader needs."""
    text = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= 160 else text[:157] + "..."


def tables(results):
    results = {name: json.loads((results / (name + ".json")).read_text()) for name in BROKERS}
    yield "| | " + " | ".join(BROKERS.values()) + " |"
    yield "| --- |" + " --- |" * len(BROKERS)
    for key, word in (("pass", "pass"), ("deviates", "deviate"), ("lenient", "lenient"), ("not_tried", "not tried")):
        yield "| %s | %s |" % (word, " | ".join(str(result[key]) for result in results.values()))
    sections = {}
    for row in zip(*(result["cases"] for result in results.values())):
        assert len({case["title"] for case in row}) == 1, row[0]["title"]
        sections.setdefault(row[0]["section"], []).append(row)
    for section, rows in sections.items():
        yield "\n# " + section + "\n"
        yield "| clause | level | the peer | " + " | ".join(BROKERS.values()) + " |"
        yield "| --- | --- | --- |" + " --- |" * len(BROKERS)
        for row in rows:
            cells = " | ".join(SIGNS[case["result"]] for case in row)
            yield "| %s | %s | %s | %s |" % (row[0]["clause"], row[0]["level"], plain(row[0]["title"]), cells)
        deviations = [(broker, case) for row in rows for broker, case in zip(BROKERS.values(), row)
                      if case["result"] == "deviates"]
        if deviations:
            yield "\n| deviation | clause | expected | came |\n| --- | --- | --- | --- |"
        for broker, case in deviations:
            expected, came = plain(case["expected"]), plain(case["came"])
            yield "| %s: %s | %s | %s | `%s` |" % (broker, case["title"], case["clause"], expected, came.replace("`", "'"))


def main(results, write):
    text = "\n".join(tables(pathlib.Path(results))) + "\n"
    if not write:
        print(text)
        return
    before, rest = PAGE.read_text().split(START)
    PAGE.write_text(before + START + "\n\n" + text + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main(sys.argv[1], "--write" in sys.argv[2:])
