"""The command line: reads the words, calls, tells what came of it.

Exit code 0: done; 1: failed, with one clear line; 2: wrong usage. Nothing is computed here, and heavy
imports wait until a command needs them.
"""

import gc
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.markup import escape

from stock_assets import terminal
from stock_assets import watchlist as watchlists
from stock_assets.core import configuration
from stock_assets.core.errors import SessionError, SettingsError, StockAssetsError
from stock_assets.core.tickers import check_ticker
from stock_assets.settings import SOURCES, Settings


def main() -> None:
    """Entry point of `stock-assets`."""
    try:
        code = commands.main(prog_name="stock-assets", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        _tell(_with_hint(error))
        code = error.exit_code
    except click.Abort:
        terminal.err.print("stopped; what was finished is stored")
        code = 130
    except StockAssetsError as error:
        code = _exit_code(error)
        _tell(error)
    # At its end Python looks through every object once more for cycles to free: most of a second, for nothing.
    gc.freeze()
    sys.exit(code if isinstance(code, int) else 0)


def _exit_code(error: StockAssetsError) -> int:
    return 2 if isinstance(error, SettingsError | SessionError) else 1


def _tell(error: StockAssetsError | str) -> None:
    terminal.err.print(f"[bold red]error:[/] {escape(' '.join(str(error).split()))}")
    if isinstance(error, StockAssetsError) and _exit_code(error) == 1:
        _log_trace(error)


def _with_hint(error: click.ClickException) -> str:
    message = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message}; see: {context.command_path} --help" if context else message


def _log_trace(error: StockAssetsError) -> None:
    """The full trace, for whoever has to look closer, in `logs/stock-assets.log`."""
    try:
        folder = Settings.from_environment().log_dir
        folder.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(folder / "stock-assets.log", encoding="utf-8")
    except (SettingsError, OSError) as no_log:
        terminal.err.print(f"(no log file: {escape(str(no_log))})", style="dim")
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    logger = logging.Logger("stock_assets.cli")
    logger.addHandler(handler)
    logger.error("%s", " ".join(sys.argv[1:]), exc_info=error)
    handler.close()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="stock-assets")
def commands() -> None:
    """A Dagster asset graph for stocks: prices in, an honest forecast and report out."""


@commands.command(short_help="Materialise the whole graph, from prices to report.")
@click.argument("tickers", nargs=-1, metavar="[TICKER ...]")
@click.option("--as-of", metavar="DATE", help="Session to work on, YYYY-MM-DD.  [default: the last closed one]")
@click.option(
    "--source",
    type=click.Choice(["auto", *SOURCES]),
    help="Where prices come from; auto: Yahoo if it answers, else simulated.  [default: STOCK_ASSETS_SOURCE or auto]",
)
@click.option("--force", is_flag=True, help="Compute everything again, even what is there and whole.")
@click.option("--group", help="The tickers of this group of the watchlist.")
def run(tickers: tuple[str, ...], as_of: str | None, source: str | None, force: bool, group: str | None) -> None:
    """Materialise the whole graph for TICKERs (default: the watchlist), from prices to report."""
    if tickers and group is not None:
        raise click.UsageError("give TICKERs or --group, not both")
    settings = Settings.from_environment()
    watchlist = watchlists.read(settings.watchlist)
    wanted = list(dict.fromkeys(watchlist.require(ticker) for ticker in tickers))
    wanted = wanted or [entry.ticker for entry in watchlist.chosen(group)]
    from stock_assets.commands import run as running
    from stock_assets.commands import source as sources

    session = running.session_asked_for(settings, as_of, datetime.now(UTC))
    choice = sources.choose(settings, source)
    terminal.out.print(f"[bold]Session {session}[/], source {choice.settings.source}, {', '.join(wanted)}")
    terminal.warn(choice.warning)
    runner = running.Runner(choice.settings)
    failed: list[str] = []
    page = None
    try:
        for ticker in wanted:
            try:
                with terminal.progress(ticker, len(running.ASSETS)) as progress:
                    outcome = runner.run(ticker, session, force=force, progress=progress)
            except StockAssetsError as error:
                if isinstance(error, SettingsError):
                    raise
                failed.append(ticker)
                _tell(error)
            else:
                _show(outcome)
        try:
            page = runner.page(session)
        except StockAssetsError as error:
            # The tickers are done all the same. What made one fail mostly stops the page too: an error is told once.
            if failed:
                terminal.err.print(f"the page of the watchlist failed: {escape(' '.join(str(error).split()))}")
            else:
                _tell(error)
        else:
            terminal.out.print(f"[bold]Watchlist[/]  {page.summary}\n  page      {terminal.short_path(page.path)}")
    finally:
        runner.close()
    terminal.warn(choice.warning)
    if failed:
        terminal.err.print(
            f"{len(failed)} of {len(wanted)} failed: {', '.join(failed)}; details in {choice.settings.log_dir}"
        )
    if failed or page is None:
        raise click.exceptions.Exit(1)


def _show(outcome) -> None:
    fresh = f"done in {outcome.seconds:.1f} s"
    how = "re-used: complete and whole already (--force computes again)" if outcome.reused else fresh
    colour = "green" if outcome.beats_naive else "yellow"
    terminal.out.print(f"[bold]{outcome.ticker}[/]  {how}")
    terminal.out.print(f"  verdict   [{colour}]{escape(outcome.verdict)}[/]")
    terminal.out.print(
        f"  forecast  {outcome.target_session}: close {outcome.predicted_close:,.2f} "
        f"({outcome.interval_level:.0%} interval {outcome.interval_low:,.2f} to {outcome.interval_high:,.2f}), "
        f"chance of a rise {outcome.probability_up:.0%}; naive: {outcome.naive_close:,.2f}"
    )
    terminal.out.print(f"  report    {terminal.short_path(outcome.report)}")


@commands.command(short_help="Write a session's artefacts as plain files.")
@click.argument("ticker")
@click.option("--as-of", metavar="DATE", help="Session, YYYY-MM-DD.  [default: the newest that has a report]")
@click.option(
    "--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write to."
)
@click.option(
    "--source", type=click.Choice(SOURCES), help="Whose data folder.  [default: the one with the newest report]"
)
def export(ticker: str, as_of: str | None, folder: Path, source: str | None) -> None:
    """Write TICKER's artefacts of one session as plain files: CSV, JSON, text, PNG and HTML."""
    settings = Settings.from_environment()
    ticker = watchlists.read(settings.watchlist).require(ticker)
    from stock_assets.commands import export as exporting

    session, chosen, written = exporting.export(settings, ticker, as_of, folder, source)
    terminal.out.print(f"[bold]{ticker}[/] {session}, source {chosen}: {len(written)} files in {folder}")
    if chosen == "simulated":
        terminal.warn("SIMULATED PRICES, NOT REAL ONES")
    for path in written:
        terminal.out.print(f"  {path.name}")


@commands.command(short_help="Make a PDF from a session's report and your words.")
@click.argument("ticker")
@click.option(
    "--narrative",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What happened and what it means: a file in Markdown.",
)
@click.option("--as-of", metavar="DATE", help="Session, YYYY-MM-DD.  [default: the newest that has a report]")
@click.option("--title", default="", help="Title of the summary.  [default: the ticker]")
@click.option("--author", default="", help="Who wrote the narrative.")
@click.option(
    "--source", type=click.Choice(SOURCES), help="Whose data folder.  [default: the one with the newest report]"
)
def summary(ticker: str, narrative: Path, as_of: str | None, title: str, author: str, source: str | None) -> None:
    """Make the PDF for stakeholders: TICKER's forecast, figures and key numbers around your narrative."""
    settings = Settings.from_environment()
    ticker = watchlists.read(settings.watchlist).require(ticker)
    from stock_assets.commands import summary as summaries

    wanted = summaries.Wanted(ticker, as_of, source, narrative, title, author)
    place, snapshot = summaries.find(settings, wanted, datetime.now(UTC))
    with terminal.progress(ticker, 1) as progress:
        outcome = summaries.summarise(place, snapshot, wanted, progress)
    terminal.out.print(f"[bold]{ticker}[/] {outcome.session}, source {outcome.source}: {outcome.pages} pages")
    if outcome.source == "simulated":
        terminal.warn("SIMULATED PRICES, NOT REAL ONES")
    terminal.out.print(f"  summary   {terminal.short_path(outcome.path)}")


@commands.command(short_help="Show what is wrong with a session's raw prices.")
@click.argument("ticker")
@click.option("--as-of", metavar="DATE", help="Session, YYYY-MM-DD.  [default: the newest that has raw prices]")
@click.option(
    "--source", type=click.Choice(SOURCES), help="Whose data folder.  [default: the one with the newest raw prices]"
)
@click.option(
    "--limit", default=5, show_default=True, type=click.IntRange(1, 1000), help="Rows to show of each problem."
)
def inspect(ticker: str, as_of: str | None, source: str | None, limit: int) -> None:
    """Show what is wrong with TICKER's raw prices of one session, in quarantine or not, and the bars around it.

    Every check is asked afresh, and cleaning is tried; nothing is stored.
    """
    settings = Settings.from_environment()
    ticker = watchlists.read(settings.watchlist).require(ticker)
    from stock_assets.commands import inspect as inspecting
    from stock_assets.commands import inspection

    width = min(terminal.out.width, inspection.WIDTH) if terminal.out.is_terminal else inspection.WIDTH
    for n, found in enumerate(inspecting.inspect(settings, ticker, as_of, source)):
        terminal.out.print("\n" * n, end="")
        for line in inspection.lines(found, limit=limit, width=width):
            terminal.out.print(escape(line.text), style=line.style)


@commands.command(short_help="Tell the newest forecasts, or answer a CSV of questions.")
@click.argument("tickers", nargs=-1, metavar="[TICKER ...]")
@click.option("--as-of", metavar="DATE", help="Session, YYYY-MM-DD.  [default: the newest that has a forecast]")
@click.option("--allow-stale", is_flag=True, help="Also those that are late, or whose model has expired.")
@click.option(
    "--source", type=click.Choice(SOURCES), help="Whose data folder.  [default: the one with the newest forecast]"
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a ticker, as GET /predict answers.")
@click.option(
    "--input",
    "questions",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="CSV of questions: a column ticker, with or without as_of; or one ticker's prices, Date to Volume.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="CSV to write the answers to.")
@click.option("--ticker", "whose", metavar="TICKER", help="Whose prices they are, for a table without that column.")
def predict(
    tickers: tuple[str, ...],
    as_of: str | None,
    allow_stale: bool,
    source: str | None,
    as_json: bool,
    questions: Path | None,
    output: Path | None,
    whose: str | None,
) -> None:
    """Tell the stored forecasts of TICKERs, or answer the questions in a file with a file of forecasts."""
    if questions is not None:
        if output is None or tickers or as_of or as_json:
            raise click.UsageError("--input goes with --output, and without TICKER, --as-of and --json")
        _predict_file(source, questions, output, whose, allow_stale)
    elif not tickers or output is not None or whose is not None:
        raise click.UsageError("nothing to predict: give a TICKER, or --input and --output")
    else:
        _predict_tickers(source, tickers, as_of, allow_stale, as_json)


def _predict_tickers(
    source: str | None, tickers: tuple[str, ...], as_of: str | None, allow_stale: bool, as_json: bool
) -> None:
    settings = Settings.from_environment()
    wanted = list(dict.fromkeys(check_ticker(ticker) for ticker in tickers))
    from stock_assets.commands import predict as predicting

    session = None if as_of is None else predicting.session_asked_for(as_of)
    teller = predicting.Teller(settings, source, wanted, now=datetime.now(UTC))
    failed = False
    for ticker in wanted:
        try:
            told = teller.tell(ticker, session, allow_stale=allow_stale)
        except StockAssetsError as error:
            failed = True
            _tell(error)
            continue
        if as_json:
            click.echo(told.as_json, nl=False)
            continue
        for line in told.lines:
            terminal.out.print(escape(line))
        terminal.warn("SIMULATED PRICES, NOT REAL ONES" if told.is_simulated else None)
    if failed:
        raise click.exceptions.Exit(1)


def _predict_file(source: str | None, questions: Path, output: Path, whose: str | None, allow_stale: bool) -> None:
    settings = Settings.from_environment()
    from stock_assets.commands import predict as predicting

    with terminal.rows(questions.name) as progress:
        teller = predicting.Teller(settings, source, now=datetime.now(UTC))
        outcome = teller.answer(questions, output, whose, allow_stale=allow_stale, progress=progress)
    terminal.warn("SIMULATED PRICES, NOT REAL ONES" if outcome.is_simulated else None)
    bad = f"; rows with an error instead: {outcome.failed:,}" if outcome.failed else ""
    terminal.out.print(f"{escape(terminal.short_path(str(output)))}: forecasts: {outcome.predicted:,}{bad}")
    if not outcome.predicted:
        raise click.exceptions.Exit(1)


@commands.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--source", type=click.Choice(["auto", *SOURCES]), help="As for run.")
def ui(host: str, port: int, source: str | None) -> None:
    """Start the Dagster UI and the daemon; stop with Ctrl-C."""
    settings = Settings.from_environment()
    listed = watchlists.read(settings.watchlist)
    from stock_assets.commands import home
    from stock_assets.commands import source as sources
    from stock_assets.commands import ui as interface
    from stock_assets.defs import partitions

    interface.require_free(host, port)
    choice = sources.choose(settings, source)
    terminal.warn(choice.warning)
    terminal.warn(partitions.too_many(len(listed.tickers), settings.first_session, datetime.now(UTC).date()))
    if home.is_changed(settings.dagster_home):
        shown = escape(terminal.short_path(str(settings.dagster_home / "dagster.yaml")))
        terminal.out.print(f"{shown} differs from stock_assets/dagster.yaml, and is left as it is")
    if choice.settings.database_url is None:
        terminal.warn(
            "NO ALERTS: set STOCK_ASSETS_DATABASE_URL, as the data folder is a URL, where no SQLite file can be"
        )
    terminal.out.print(
        f"[bold]Dagster UI[/] on http://{host}:{port}, source {choice.settings.source}; stop with Ctrl-C"
    )
    sys.stdout.flush()
    interface.serve(choice.settings, host, port)


@commands.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0: any free one.")
@click.option(
    "--workers", type=click.IntRange(1, 64), help="Processes that answer.  [default: one a processor, 2 to 4]"
)
@click.option(
    "--source", type=click.Choice(SOURCES), help="Whose data folder.  [default: the one with the newest forecast]"
)
def serve(host: str, port: int, workers: int | None, source: str | None) -> None:
    """Serve the forecasts over HTTP; stop with Ctrl-C."""
    settings = Settings.from_environment()
    watchlists.read(settings.watchlist)
    from stock_assets.commands import serve as serving

    place = serving.place(settings, source)
    listener = serving.listen(host, port)
    terminal.warn(serving.warning(listener, place))
    terminal.warn("SIMULATED PRICES, NOT REAL ONES" if place.source == "simulated" else None)
    url = serving.address(listener)
    terminal.out.print(f"[bold]Forecasts[/] of {terminal.short_path(place.data_dir)} on {url}; stop with Ctrl-C")
    sys.stdout.flush()
    serving.serve(place, listener, workers)


@commands.command(short_help="Make the runs that a queue hands over.")
@click.option(
    "--runs", default=2, show_default=True, type=click.IntRange(1, 256), help="Runs at once: one a processor."
)
def worker(runs: int) -> None:
    """Make the runs that a queue hands over, on one of many machines; SIGTERM lets it finish first."""
    settings = Settings.from_environment()
    watchlists.read(settings.watchlist)
    from stock_assets.commands import worker as working

    working.work(settings, runs)


@commands.command()
def settings() -> None:
    """Show every setting: value in force, default, meaning."""
    for variable, value, default, meaning in Settings.from_environment().table():
        terminal.out.print(f"[bold]{variable}[/] = {escape(value) if value else '[dim]not set[/]'}")
        terminal.out.print(f"    {meaning}  [dim]default: {escape(default)}[/]")


@commands.command(short_help="Write a page on how everything goes.")
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [default: monitor.html in the data folder]",
)
@click.option("--source", type=click.Choice(SOURCES), help="Whose database.  [default: that of STOCK_ASSETS_SOURCE]")
def monitor(file: Path | None, source: str | None) -> None:
    """Write a page that shows how everything goes: what is wrong, tickers, durations, alerts."""
    settings = Settings.from_environment()
    settings = settings.with_source(source or settings.source)
    from stock_assets.commands import monitor as monitoring

    page = monitoring.write(settings, file, datetime.now(UTC))
    terminal.out.print(f"[bold]Monitor[/]  {page.summary}\n  page      {terminal.short_path(str(page.path))}")


@commands.group(short_help="Show what is wrong, or test where alerts go.")
def alerts() -> None:
    """Show what is wrong and what was not told, or test where alerts go."""


_WHOSE_DATABASE = click.option(
    "--source", type=click.Choice(SOURCES), help="Whose database.  [default: that of STOCK_ASSETS_SOURCE]"
)


@alerts.command("test")
@_WHOSE_DATABASE
def test_alerts(source: str | None) -> None:
    """Send a test through every receiver now, and show what each answered."""
    settings = Settings.from_environment()
    settings = settings.with_source(source or settings.source)
    from stock_assets.commands import alerts as alerting

    answers = alerting.test(settings, datetime.now(UTC))
    for answer in answers:
        how = "[green]ok[/]     " if answer.taken else "[bold red]failed[/] "
        terminal.out.print(f"{answer.receiver:<8} {how} {escape(answer.told)}")
    if not all(answer.taken for answer in answers):
        raise click.exceptions.Exit(1)


@alerts.command("list", short_help="Show what is wrong now, and what was not told yet.")
@_WHOSE_DATABASE
def list_alerts(source: str | None) -> None:
    """Show what is wrong now, and the alerts that a receiver has not taken yet."""
    settings = Settings.from_environment()
    settings = settings.with_source(source or settings.source)
    from stock_assets.commands import alerts as alerting

    found = alerting.listing(settings)
    terminal.table(
        ("", "ticker", "session", "what", "since", "what came"), alerting.condition_rows(found.conditions), "open"
    )
    waiting = f"; {found.untold} wait for others of their kind" if found.untold else ""
    terminal.out.print(f"{len(found.conditions)} open{waiting}, {len(found.unsent)} not delivered")
    terminal.table(
        ("to", "alert", "since", "tries", "next", "answer"), alerting.unsent_rows(found.unsent), "not delivered"
    )


@commands.group()
def watchlist() -> None:
    """Show or change the stocks to follow."""


@watchlist.command("list", short_help="Show the stocks to follow.")
@click.option("--group", help="Only those of this group.")
@click.option("--tag", help="Only those with this tag.")
def list_tickers(group: str | None, tag: str | None) -> None:
    """Show the stocks to follow, their groups and tags, and models of their own."""
    listed = watchlists.read(Settings.from_environment().watchlist)
    chosen = listed.chosen(group, tag)
    if listed.model:
        terminal.out.print(f"all      model: {escape(configuration.told(listed.model))}")
    for name, model in listed.groups.items():
        if model and group in (None, name):
            terminal.out.print(f"{name:<8} model: {escape(configuration.told(model))}")
    for entry in chosen:
        marks = f"  [dim]{escape(' '.join(filter(None, (entry.group, *(f'#{tag}' for tag in entry.tags)))))}[/]"
        terminal.out.print(
            f"{entry.ticker:<8} {escape(entry.name)}{marks if entry.group or entry.tags else ''}".rstrip()
        )
        if entry.model:
            terminal.out.print(f"{'':<8} model: {escape(configuration.told(entry.model))}")


@watchlist.command(short_help="Follow more tickers.")
@click.argument("tickers", nargs=-1, required=True, metavar="TICKER [TICKER ...]")
@click.option("--group", help="A group of the watchlist to put them into.")
def add(tickers: tuple[str, ...], group: str | None) -> None:
    """Follow TICKERs from now on."""
    changed = watchlists.add(Settings.from_environment().watchlist, *tickers, group=group)
    terminal.out.print(_following(changed))


@watchlist.command(short_help="Follow fewer.")
@click.argument("tickers", nargs=-1, required=True, metavar="TICKER [TICKER ...]")
def remove(tickers: tuple[str, ...]) -> None:
    """Follow TICKERs no longer; what is stored of them stays."""
    changed = watchlists.remove(Settings.from_environment().watchlist, *tickers)
    terminal.out.print(_following(changed))


def _following(listed: watchlists.Watchlist) -> str:
    return f"following {', '.join(listed.tickers) if len(listed.tickers) <= _MOST_NAMED else len(listed.tickers)}"


_MOST_NAMED = 20


if __name__ == "__main__":
    main()
