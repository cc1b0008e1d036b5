"""The DagProcessor actor: turns the watched folder and submitted bundles into DAGs and versions in the database.

Nothing of an author is imported here: files are parsed in children (parsing/pool.py). Called by the Api (submit,
reparse, info); wakes the leaders of the partitions that have something new. If it dies, Ray restarts it and it goes
through the folder and the stored bundles again: they are the truth, and what is published already stays as it is.

    folder changed / submit ── pack or open ── unpack ── parse ── check pools ── put_bundle, publish ── wake leaders
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import ray

from skyray.actors.folder_watch import FolderWatch
from skyray.actors.names import DAG_PROCESSOR
from skyray.actors.ray_port import RayPort
from skyray.actors.scheduler_bell import SchedulerBell
from skyray.core.parsed import Bundle, PublishReport
from skyray.errors import ConflictError, NotFoundError, SkyrayError
from skyray.parsing.bundle import open_bundle, pack, unpack
from skyray.parsing.incremental import BundleParser
from skyray.parsing.pool import ParserPool
from skyray.parsing.publishing import DagCatalog, refuse_unknown_pools, report_to_dict
from skyray.parsing.workspace import Workspace
from skyray.settings import Settings
from skyray.store.catalog import Catalog
from skyray.store.errors import StoreUnavailableError

log = logging.getLogger(__name__)

FOLDER_BUNDLE = "dags-folder"
DATABASE_BACKOFF_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SUBMIT_DATABASE_TRIES = 8  # then the caller is told; what the folder holds is tried for ever
POOLS_RECHECK_SECONDS = 10.0
FOLDER_RETRY_SECONDS = 2.0
FOLDER_PATIENCE_SECONDS = (0.5, 1.0, 2.0)  # then it is published without the files whose import is still under way
REQUESTS_REMEMBERED_MAX = 100

Notify = Callable[[Sequence[int]], None]
_T = TypeVar("_T")


class DagProcessor:
    """The actor. ``catalog`` and ``notify`` (which wakes the leaders of some partitions) are given by tests."""

    def __init__(self, settings: Settings, *, catalog: DagCatalog | None = None, notify: Notify | None = None) -> None:
        self._settings = settings
        self._catalog = catalog or Catalog(settings.database_url)
        self._notify = notify or SchedulerBell(settings).ring
        self._workspace = Workspace(settings.home_path / "cache" / "parsing")
        self._pool = ParserPool(
            folder=self._workspace.results,
            processes=settings.parse_processes,
            timeout_seconds=settings.parse_timeout_seconds,
            memory_bytes=settings.parse_memory_bytes,
            default_retries=settings.default_task_retries,
            default_timezone=settings.default_timezone,
        )
        self._parsers: dict[str, BundleParser] = {}
        self._bundle_locks: dict[str, asyncio.Lock] = {}
        self._database = ThreadPoolExecutor(1, thread_name_prefix="catalog")  # a Catalog is for one thread
        self._requests: OrderedDict[str, asyncio.Task[dict[str, Any]]] = OrderedDict()
        self._published: dict[str, str] = {}  # bundle name -> digest
        self._missing_pools: dict[str, frozenset[str]] = {}
        self._problems: dict[str, str] = {}
        self._folder_rounds = 0
        self._slow: set[asyncio.Task[None]] = set()
        self._watch = FolderWatch(Path(settings.dags_dir).expanduser()) if settings.dags_dir else None
        self._background = [self._forever(self._recover), self._forever(self._recheck_pools)]
        if self._watch is not None:
            self._background += [self._forever(self._watch.run), self._forever(self._follow_folder)]

    # --------------------------------------------------------------------------------------------------- for the Api
    async def submit(self, bundle_name: str, content: bytes, request_id: str = "") -> dict[str, Any]:
        """Take over a packed bundle; returns when its DAGs are live or refused.

        A bundle of the same name is replaced, and DAGs that it no longer defines are retired. The same ``request_id``
        gets the same answer. Returns ``{digest, dags: [{dag_id, version, is_new}], retired: [dag_id], errors: [{path,
        dag_id, line, message, traceback}]}``. Raises ``InvalidInputError`` for what is no bundle, ``ConflictError`` for
        the folder's name, ``StoreUnavailableError``.
        """
        if bundle_name == FOLDER_BUNDLE:
            raise ConflictError(
                f"the name {FOLDER_BUNDLE} belongs to the watched folder", hint="submit under another name"
            )
        task = self._requests.get(request_id) if request_id else None
        if task is None:
            task = asyncio.ensure_future(self._submit(bundle_name, content))
            if request_id:
                self._remember(request_id, task)
        # A caller that goes away does not stop what others may wait for.
        return await asyncio.shield(task)

    async def reparse(self, bundle_name: str = "") -> list[dict[str, Any]]:
        """Import every file of a bundle (or of all bundles) anew, although nothing changed: a file may depend on the
        world. Returns what ``submit`` does, for each."""
        if bundle_name and bundle_name not in self._published:
            raise NotFoundError(f"there is no bundle {bundle_name!r}")
        reports = []
        for name in [bundle_name] if bundle_name else sorted(self._published):
            bundle = await self._stored(name, self._published[name], SUBMIT_DATABASE_TRIES)
            reports.append(
                report_to_dict(bundle, await self._publish_again(bundle, fresh=True, tries=SUBMIT_DATABASE_TRIES))
            )
        return reports

    async def info(self) -> dict[str, Any]:
        """Who this is and how it is, for displays. ``problems`` is empty if all is well."""
        return {
            "name": DAG_PROCESSOR,
            "role": "dag_processor",
            "node_id": RayPort().node_id() if ray.is_initialized() else "",
            "pid": os.getpid(),
            "state": "running",
            "leads": [],
            "dags_dir": self._settings.dags_dir,
            "bundles": dict(sorted(self._published.items())),
            "problems": [f"{what}: {problem}" for what, problem in sorted(self._problems.items())],
        }

    async def close(self) -> None:
        """End every child and background task. Only tests need it: an actor is killed."""
        tasks = [*self._background, *self._requests.values(), *self._slow]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for parser in self._parsers.values():
            await parser.close()
        await self._pool.close()
        self._database.shutdown()

    # ---------------------------------------------------------------------------------------------------- background
    async def _recover(self) -> None:
        """Once, at start: go through the bundles that were submitted to an earlier life."""
        with self._shown("parser"):
            await self._pool.start()
        for head in await self._in_database(self._catalog.bundle_heads):
            if head.kind == "submitted" and head.name not in self._published:
                with self._shown(f"bundle {head.name}"):
                    await self._publish_again(await self._stored(head.name, head.digest))
        self._notify(range(self._settings.partitions))  # what an earlier life published and told nobody of
        await asyncio.Event().wait()

    async def _follow_folder(self) -> None:
        """Publish the watched folder whenever it has changed."""
        assert self._watch is not None, "only where a folder is watched"
        await self._watch.wait_for_change()
        with self._shown("dags_dir"):
            path, limit = self._watch.path, self._settings.bundle_max_bytes
            bundle = await asyncio.to_thread(pack, path, max_bytes=limit, name=FOLDER_BUNDLE)
            published = self._published.get(FOLDER_BUNDLE)
            parser = self._parsers.get(FOLDER_BUNDLE)
            if published != bundle.digest or (parser and any(task.done() for task in parser.under_way)):
                await self._take_over(bundle)
        if "dags_dir" in self._problems:
            await asyncio.sleep(FOLDER_RETRY_SECONDS)
            self._watch.look_again()

    async def _await_slow(self, imports: Sequence[asyncio.Task[Any]], in_use: contextlib.ExitStack) -> None:
        """Have the folder published anew whenever one of its slow files has been imported; keep it until all are."""
        assert self._watch is not None, "only the folder is published before all of it is imported"
        left = set(imports)
        with in_use:
            while left:
                _, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                self._watch.look_again()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._slow.add(task)
        task.add_done_callback(self._slow.discard)

    async def _recheck_pools(self) -> None:
        """DAGs that were refused for a pool that did not exist come live once it does."""
        await asyncio.sleep(POOLS_RECHECK_SECONDS)
        for name, missing in list(self._missing_pools.items()):
            if missing & set(await self._in_database(self._catalog.pool_names)):
                await self._publish_again(await self._stored(name, self._published[name]))

    def _forever(self, step: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        async def run() -> None:
            while True:
                try:
                    await step()
                except Exception:
                    log.exception("dag_processor.step_failed step=%s", step.__name__)
                    await asyncio.sleep(1.0)

        return asyncio.get_running_loop().create_task(run())

    # ---------------------------------------------------------------------------------------------------- publishing
    async def _submit(self, name: str, content: bytes) -> dict[str, Any]:
        bundle = await asyncio.to_thread(self._open, name, content)
        return report_to_dict(bundle, await self._take_over(bundle, SUBMIT_DATABASE_TRIES))

    def _open(self, name: str, content: bytes) -> Bundle:
        return open_bundle(name, content, max_bytes=self._settings.bundle_max_bytes)

    async def _stored(self, name: str, digest: str, tries: int | None = None) -> Bundle:
        content = await self._in_database(partial(self._catalog.get_bundle, digest), tries)
        return await asyncio.to_thread(self._open, name, content)

    def _lock(self, name: str) -> asyncio.Lock:
        return self._bundle_locks.setdefault(name, asyncio.Lock())

    async def _publish_again(self, bundle: Bundle, *, fresh: bool = False, tries: int | None = None) -> PublishReport:
        """As ``_take_over``, for a stored bundle: does nothing if another one of its name came in the meantime."""
        async with self._lock(bundle.name):
            if self._published.get(bundle.name, bundle.digest) != bundle.digest:
                return PublishReport()
            return await self._publish(bundle, fresh, tries)

    async def _take_over(self, bundle: Bundle, tries: int | None = None) -> PublishReport:
        """Parse a bundle and publish it. One at a time for each name, so that the newest is the last."""
        async with self._lock(bundle.name):
            return await self._publish(bundle, False, tries)

    async def _publish(self, bundle: Bundle, fresh: bool, tries: int | None) -> PublishReport:
        patience = self._patience(bundle) if bundle.name == FOLDER_BUNDLE and not fresh else None
        with contextlib.ExitStack() as in_use:
            root = in_use.enter_context(self._workspace.use(bundle.digest))
            await asyncio.to_thread(
                unpack, bundle.content, root, max_bytes=self._settings.bundle_max_bytes, digest=bundle.digest
            )
            parser = self._parsers.setdefault(bundle.name, BundleParser(self._pool))
            files = await parser.parse(bundle, root, fresh=fresh, patience_seconds=patience)
            if parser.under_way:
                self._spawn(self._await_slow(parser.under_way, in_use.pop_all()))
        pools = set(await self._in_database(self._catalog.pool_names, tries))
        files, missing = refuse_unknown_pools(files, pools)
        await self._in_database(partial(self._catalog.put_bundle, bundle), tries)
        publish = partial(
            self._catalog.publish,
            partitions=self._settings.partitions,
            paused_by_default=self._settings.dags_are_paused_at_creation,
        )
        kind = "folder" if bundle.name == FOLDER_BUNDLE else "submitted"
        report = await self._in_database(partial(publish, bundle.name, kind, bundle.digest, files), tries)
        self._published[bundle.name] = bundle.digest
        self._missing_pools[bundle.name] = missing
        log.info(
            "bundle.published name=%s digest=%s dags=%d new=%d retired=%d errors=%d",
            bundle.name,
            bundle.digest[:12],
            len(report.dags),
            sum(dag.is_new for dag in report.dags),
            len(report.retired),
            len(report.errors),
        )
        if report.partitions:
            self._notify(report.partitions)
        return report

    def _patience(self, bundle: Bundle) -> float:
        """Little after an edit, more when the same folder is gone through for what was slow."""
        again = self._published.get(bundle.name) == bundle.digest
        self._folder_rounds = self._folder_rounds + 1 if again else 0
        return FOLDER_PATIENCE_SECONDS[min(self._folder_rounds, len(FOLDER_PATIENCE_SECONDS) - 1)]

    async def _in_database(self, call: Callable[[], _T], tries: int | None = None) -> _T:
        """Make a blocking call to the catalog, again while the database is away; ``tries``: not for ever."""
        attempt = 0
        while True:
            try:
                result = await asyncio.get_running_loop().run_in_executor(self._database, call)
            except StoreUnavailableError as error:
                self._problems["database"] = error.message
                attempt += 1
                if attempt == tries:
                    raise
                await asyncio.sleep(DATABASE_BACKOFF_SECONDS[min(attempt, len(DATABASE_BACKOFF_SECONDS)) - 1])
            else:
                self._problems.pop("database", None)
                return result

    # ------------------------------------------------------------------------------------------------------- details
    @contextlib.contextmanager
    def _shown(self, what: str) -> Iterator[None]:
        """Show an expected error in ``info`` until the same thing works, instead of raising it."""
        try:
            yield
        except (SkyrayError, OSError) as error:
            self._problems[what] = str(error)
            log.warning("dag_processor.problem what=%s error=%s", what, error)
        else:
            self._problems.pop(what, None)

    def _remember(self, request_id: str, task: asyncio.Task[dict[str, Any]]) -> None:
        """Only while it runs or if it went well: what failed may be tried again under the same id."""
        self._requests[request_id] = task
        while len(self._requests) > REQUESTS_REMEMBERED_MAX:
            self._requests.popitem(last=False)

        def ended(task: asyncio.Task[dict[str, Any]]) -> None:
            if task.cancelled() or task.exception() is not None:
                self._requests.pop(request_id, None)

        task.add_done_callback(ended)
