def pytest_terminal_summary(terminalreporter) -> None:
    """In the words that ./test counts."""
    count = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    terminalreporter.write_line(f"import: {count['passed']} passed, {count['failed'] + count['error'] + count['skipped']} failed")
