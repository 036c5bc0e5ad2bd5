"""The harness itself: what it reads, computes and draws."""

import json
import sys
import unittest
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import again, chart, goals, load, machine, report, tables
from harness.requests import Request, login
from harness.sections import middleware, task
from harness.statistics import Spread, ratio


def sample(per_second: float) -> dict[str, float]:
    return {"per_second": per_second, "p50": 1000, "p99": 2000, "p999": 3000, "errors": 0, "busy": 1, "cpu_us": 10}


def results() -> dict:
    """As a whole run leaves them, with round figures."""
    by_server = {"slipway": 60_000, "axum": 60_000, "fastapi": 2_000, "nginx": 120_000, "container": 30_000}
    route = {name: [sample(value), sample(value * 1.1)] for name, value in by_server.items()}
    others = {name: samples for name, samples in route.items() if name != "nginx"}
    peak = {"hello": route, "me": others, "refresh": others, "login": others, "fixed": {"container": [sample(50_000)] * 2}}
    health = {"health": sample(50), "logins_per_second": 40, "login_errors": 0}
    memory = {
        "idle": [11e6, 11.1e6],
        "peak_hello": [12e6, 12e6],
        "peak_me": [13e6, 16e6],
        "peak_refresh": [14e6, 14e6],
        "peak_login": [50e6, 51e6],
        "idle_connections": [55e6, 55e6],
    }
    found = {
        "speed": {"peak": peak, "half": {}, "storm": {"slipway": [health, health]}},
        "memory": {"connections": 10_000, "slipway": memory},
        "start": {"seconds": {"slipway": [0.011, 0.012, 0.013]}, "binary_bytes": 14e6, "images": {"slipway:1": [1e6, 4e6]}},
    }
    measured = {
        "date": "2026-01-01", "commit": "abc", "quick": False, "seconds": 1, "load_average": 1.0,
        "machine": {"processor": "A & B <1>"},
    }
    return {name: {"measured": measured, "found": each} for name, each in found.items()}


class Statistics(unittest.TestCase):
    def test_a_ratio_compares_round_with_round(self):
        # A machine that was twice as slow in the second round was so for both.
        self.assertEqual(ratio([10, 5], [2, 1]), Spread(5, 5, 5))
        self.assertEqual(ratio([10, 5, 8], [2, 2, 2]), Spread(4, 2.5, 5))

    def test_rounds_that_do_not_match_are_refused(self):
        with self.assertRaises(ValueError):
            ratio([1, 2], [1])
        with self.assertRaises(ValueError):
            Spread.of([])

    def test_numbers_have_three_digits_that_count(self):
        shown = [tables.number(value) for value in (123456.7, 99.94, 1.234)]
        self.assertEqual(shown, ["123,457", "99.9", "1.23"])


class Parsing(unittest.TestCase):
    def test_the_last_line_of_a_load_generator_is_its_sample(self):
        output = 'Running 1s test\n\n{"requests":200,"seconds":2.0,"errors":1,"p50":5,"p99":6,"p999":7,"max":8}\n'
        found = load.parse_sample(output, cpu_seconds=1.0)
        self.assertEqual((found.per_second, found.errors, found.busy, found.cpu_us), (100, 1, 0.5, 5000))

    def test_a_server_that_answers_nothing_is_an_error(self):
        with self.assertRaisesRegex(RuntimeError, "not a single request"):
            load.parse_sample('{"requests":0,"seconds":1}', 1.0)

    def test_proc_is_read_behind_a_name_with_blanks_and_brackets(self):
        stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 25 17 0 0 20 0 1 0 100 1 1"
        self.assertEqual(machine.cpu_ticks(stat), 42)
        self.assertEqual(machine.pss_of("Rss: 9 kB\nPss:     12 kB\nPss_Anon: 3 kB\n"), 12 * 1024)

    def test_a_request_tells_the_length_of_its_body(self):
        raw = login("ada").raw("127.0.0.1:1").decode()
        head, _, body = raw.partition("\r\n\r\n")
        self.assertTrue(head.startswith("POST /login HTTP/1.1\r\nHost: 127.0.0.1:1\r\n"))
        self.assertIn(f"Content-Length: {len(body)}", head)
        self.assertNotIn("Content-Length", Request("GET", "/hello").raw("a").decode())


class Goals(unittest.TestCase):
    def test_each_is_reached_missed_or_not_measured(self):
        verdicts = {verdict.goal.text: verdict for verdict in goals.judge_all(results())}
        self.assertTrue(verdicts["/hello, direct, over FastAPI's"].reached)
        self.assertAlmostEqual(verdicts["/hello, direct, over FastAPI's"].value.median, 30)
        self.assertEqual(verdicts["/hello through nginx, over what its nginx answers by itself"].reached, True)
        self.assertEqual(verdicts["PSS at the peak of /hello, /me and /refresh"].value, Spread(15, 14, 16))
        self.assertIsNone(verdicts["PSS of the whole task, idle"].reached)

    def test_one_that_is_missed_says_so(self):
        slow = results()
        slow["speed"]["found"]["peak"]["hello"]["slipway"] = [sample(100), sample(100)]
        lines = [report.goal_line(verdict) for verdict in goals.judge_all(slow)]
        self.assertTrue(lines[0].startswith("MISSED: /hello, direct, over FastAPI's"), lines[0])

    def test_a_task_that_does_not_keep_up_has_failed(self):
        kept_up = load.parse_sample('{"requests":99,"seconds":1,"errors":0,"p50":5,"p99":6,"p999":7}', 1)
        self.assertIsNone(task.failure(kept_up, 100))
        self.assertIn("only 99/s", task.failure(kept_up, 200))


class Again(unittest.TestCase):
    def test_a_run_with_ratios_within_the_spread_is_the_same_whatever_the_speed_of_its_machine(self):
        faster = json.loads(json.dumps(results()))
        for route in faster["speed"]["found"]["peak"].values():
            for samples in route.values():
                for each in samples:
                    each["per_second"] *= 2
        comparisons = again.compare(results(), faster)
        self.assertIn("/refresh, direct, over axum + sqlx", [comparison.what for comparison in comparisons])
        self.assertTrue(all(comparison.is_found_again for comparison in comparisons), comparisons)

    def test_a_ratio_outside_of_the_spread_is_named(self):
        slower = json.loads(json.dumps(results()))
        slower["speed"]["found"]["peak"]["me"]["slipway"] = [sample(10_000), sample(11_000)]
        lines = [str(comparison) for comparison in again.compare(results(), slower) if not comparison.is_found_again]
        self.assertEqual(lines, [
            "NOT AGAIN: /me, direct, over FastAPI's: 30.0 then, 5.00 now",
            "NOT AGAIN: /me, direct, over axum + sqlx: 1.00 then, 0.17 now",
        ])

    def test_next_to_nothing_between_two_narrow_spreads_is_no_difference(self):
        for then, now, expected in [(16.7, 16.8, True), (44.4, 46.0, False), (-1.0, 1.0, False)]:
            comparison = again.Comparison("memory", Spread.of([then]), Spread.of([now]))
            self.assertEqual(comparison.is_found_again, expected, comparison)

    def test_what_was_not_measured_is_not_compared(self):
        partly = {"memory": results()["memory"]}
        self.assertEqual(
            [comparison.what for comparison in again.compare(results(), partly)],
            ["PSS at the peak of /hello, /me and /refresh", "PSS for 10,000 idle connections"],
        )


class Drawing(unittest.TestCase):
    def test_the_chart_is_valid_svg_in_both_schemes_and_shows_every_server(self):
        for scheme in chart.SCHEMES:
            svg = chart.draw(results(), scheme)
            texts = [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
            self.assertEqual(texts.count("Slipway"), len(chart.PANELS))
            self.assertTrue(any("30.0x FastAPI" in text for text in texts), texts)

    def test_every_section_that_was_measured_is_in_the_page(self):
        page = report.results_page(results())
        for heading in ("## Goals", "## Throughput at the peak", "## Memory", "## Start"):
            self.assertIn(heading, page)
        self.assertNotIn("## The whole task", page)

    def test_the_readme_quotes_nothing_from_a_try(self):
        tried = results()
        self.assertIn("30.0 times as many `/hello`", report.figures(tried))
        tried["speed"]["measured"] = tried["speed"]["measured"] | {"quick": True}
        self.assertEqual(report.figures(tried), "")


class Middleware(unittest.TestCase):
    def test_every_piece_can_still_be_taken_out(self):
        for name, replacements in middleware.variants().items():
            sources = {item.file: (machine.ROOT / item.file).read_text() for item in replacements}
            self.assertEqual(middleware.replaced(sources, replacements) != sources, name != middleware.WHOLE, name)

    def test_a_text_that_is_gone_is_named(self):
        with self.assertRaisesRegex(ValueError, "src/a.rs has the text 0 times"):
            middleware.replaced({"src/a.rs": "x"}, [middleware.Replacement("src/a.rs", "y", "z")])


class Repository(unittest.TestCase):
    """What is committed is what the results file holds."""

    def setUp(self):
        file = machine.ROOT / "bench/results.json"
        self.results = json.loads(file.read_text()) if file.exists() else {}

    def test_results_page_and_charts_are_drawn_from_the_results_file(self):
        for name, text in report.drawn(self.results).items():
            self.assertEqual((machine.ROOT / "bench" / name).read_text(), text, f"{name}: run bench/run report")

    def test_the_readme_quotes_the_results_file(self):
        readme = report.README.read_text()
        self.assertEqual(readme, report.with_figures(readme, report.figures(self.results)), "run bench/run report")

    def test_the_bare_hash_is_that_of_the_server(self):
        versions = [
            [line for line in lock.split("\n\n") if '\nname = "argon2"\n' in line]
            for lock in ((machine.ROOT / path).read_text() for path in ("Cargo.lock", "bench/Cargo.lock"))
        ]
        self.assertEqual(*[each[0].split("checksum = ")[1].splitlines()[0] for each in versions])


if __name__ == "__main__":
    unittest.main()
