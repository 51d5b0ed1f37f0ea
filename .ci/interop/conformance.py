#!/usr/bin/env python3
"""The tables of amqp-proto/docs/CONFORMANCE.md, from the results of the example `conformance`.
Usage: conformance.py RESULTS [--clients] [--write]
RESULTS is a folder with a file NAME.json for each broker, and client-NAME.json for each client. Without --write the tables of
the brokers, or of the clients, are printed."""
import json, pathlib, sys

PAGE = pathlib.Path(__file__).parents[2] / "amqp-proto/docs/CONFORMANCE.md"
BROKERS = {"ours": "ours", "rabbitmq": "RabbitMQ 3.10", "rabbitmq-4": "RabbitMQ 4", "artemis": "Artemis",
           "proton-broker": "Proton", "rhea-broker": "rhea"}
CLIENTS = {"client-ours": "ours", "client-proton": "Proton", "client-rhea": "rhea", "client-go-amqp": "go-amqp"}
# The peers, and the comments around their tables in the page.
ALL = {
    "brokers": (BROKERS, "<!-- the tables of .ci/interop/conformance -->", "<!-- the end of the tables -->"),
    "clients": (CLIENTS, "<!-- the tables of .ci/interop/conformance-clients -->", "<!-- the end of the tables of clients -->"),
}
SIGNS = {"pass": "yes", "deviates": "**no**", "lenient": "lenient", "not tried": "–"}


def plain(text):
    """Text for a cell of a table, cut to what a reader needs."""
    text = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= 160 else text[:157] + "..."


def tables(results, peers, level):
    results = {name: json.loads((results / (name + ".json")).read_text()) for name in peers}
    yield "| | " + " | ".join(peers.values()) + " |"
    yield "| --- |" + " --- |" * len(peers)
    for key, word in (("pass", "pass"), ("deviates", "deviate"), ("lenient", "lenient"), ("not_tried", "not tried")):
        yield "| %s | %s |" % (word, " | ".join(str(result[key]) for result in results.values()))
    sections = {}
    for row in zip(*(result["cases"] for result in results.values())):
        assert len({case["title"] for case in row}) == 1, row[0]["title"]
        sections.setdefault(row[0]["section"], []).append(row)
    for section, rows in sections.items():
        yield "\n" + level + " " + section + "\n"
        yield "| clause | level | the peer | " + " | ".join(peers.values()) + " |"
        yield "| --- | --- | --- |" + " --- |" * len(peers)
        for row in rows:
            cells = " | ".join(SIGNS[case["result"]] for case in row)
            yield "| %s | %s | %s | %s |" % (row[0]["clause"], row[0]["level"], plain(row[0]["title"]), cells)
        deviations = [(peer, case) for row in rows for peer, case in zip(peers.values(), row)
                      if case["result"] == "deviates"]
        if deviations:
            yield "\n| deviation | clause | expected | came |\n| --- | --- | --- | --- |"
        for peer, case in deviations:
            expected, came = plain(case["expected"]), plain(case["came"])
            yield "| %s: %s | %s | %s | `%s` |" % (peer, case["title"], case["clause"], expected, came.replace("`", "'"))


def main(results, kind, write):
    peers, start, end = ALL[kind]
    text = "\n".join(tables(pathlib.Path(results), peers, "##" if kind == "clients" else "#")) + "\n"
    if not write:
        print(text)
        return
    before, rest = PAGE.read_text().split(start)
    PAGE.write_text(before + start + "\n\n" + text + "\n" + end + rest.split(end)[1])


if __name__ == "__main__":
    main(sys.argv[1], "clients" if "--clients" in sys.argv[2:] else "brokers", "--write" in sys.argv[2:])
