# Generated from protos/ by grpcio-tools 1.85.1: change those, then `make protos`.
import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from skyray.admin.v1 import runs_pb2 as _runs_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Dag(_message.Message):
    __slots__ = ("dag_id", "dag_display_name", "description", "is_paused", "is_retired", "dag_version", "schedule", "timezone", "start_date", "end_date", "catchup", "max_active_runs", "max_active_tasks", "tags", "owners", "bundle_name", "bundle_digest", "path", "line", "partition", "next_run_after", "next_logical_date", "params", "doc_md", "tasks")
    DAG_ID_FIELD_NUMBER: _ClassVar[int]
    DAG_DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    IS_PAUSED_FIELD_NUMBER: _ClassVar[int]
    IS_RETIRED_FIELD_NUMBER: _ClassVar[int]
    DAG_VERSION_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    START_DATE_FIELD_NUMBER: _ClassVar[int]
    END_DATE_FIELD_NUMBER: _ClassVar[int]
    CATCHUP_FIELD_NUMBER: _ClassVar[int]
    MAX_ACTIVE_RUNS_FIELD_NUMBER: _ClassVar[int]
    MAX_ACTIVE_TASKS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_NAME_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    NEXT_RUN_AFTER_FIELD_NUMBER: _ClassVar[int]
    NEXT_LOGICAL_DATE_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    DOC_MD_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    dag_id: str
    dag_display_name: str
    description: str
    is_paused: bool
    is_retired: bool
    dag_version: int
    schedule: str
    timezone: str
    start_date: _timestamp_pb2.Timestamp
    end_date: _timestamp_pb2.Timestamp
    catchup: bool
    max_active_runs: int
    max_active_tasks: int
    tags: _containers.RepeatedScalarFieldContainer[str]
    owners: _containers.RepeatedScalarFieldContainer[str]
    bundle_name: str
    bundle_digest: str
    path: str
    line: int
    partition: int
    next_run_after: _timestamp_pb2.Timestamp
    next_logical_date: _timestamp_pb2.Timestamp
    params: str
    doc_md: str
    tasks: _containers.RepeatedCompositeFieldContainer[Task]
    def __init__(self, dag_id: _Optional[str] = ..., dag_display_name: _Optional[str] = ..., description: _Optional[str] = ..., is_paused: _Optional[bool] = ..., is_retired: _Optional[bool] = ..., dag_version: _Optional[int] = ..., schedule: _Optional[str] = ..., timezone: _Optional[str] = ..., start_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catchup: _Optional[bool] = ..., max_active_runs: _Optional[int] = ..., max_active_tasks: _Optional[int] = ..., tags: _Optional[_Iterable[str]] = ..., owners: _Optional[_Iterable[str]] = ..., bundle_name: _Optional[str] = ..., bundle_digest: _Optional[str] = ..., path: _Optional[str] = ..., line: _Optional[int] = ..., partition: _Optional[int] = ..., next_run_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_logical_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., params: _Optional[str] = ..., doc_md: _Optional[str] = ..., tasks: _Optional[_Iterable[_Union[Task, _Mapping]]] = ...) -> None: ...

class Task(_message.Message):
    __slots__ = ("task_id", "operator", "upstream_task_ids", "trigger_rule", "retries", "pool", "pool_slots", "priority_weight", "task_group", "resources")
    class ResourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    UPSTREAM_TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_RULE_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    POOL_SLOTS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    TASK_GROUP_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    operator: str
    upstream_task_ids: _containers.RepeatedScalarFieldContainer[str]
    trigger_rule: str
    retries: int
    pool: str
    pool_slots: int
    priority_weight: int
    task_group: str
    resources: _containers.ScalarMap[str, float]
    def __init__(self, task_id: _Optional[str] = ..., operator: _Optional[str] = ..., upstream_task_ids: _Optional[_Iterable[str]] = ..., trigger_rule: _Optional[str] = ..., retries: _Optional[int] = ..., pool: _Optional[str] = ..., pool_slots: _Optional[int] = ..., priority_weight: _Optional[int] = ..., task_group: _Optional[str] = ..., resources: _Optional[_Mapping[str, float]] = ...) -> None: ...

class DagVersion(_message.Message):
    __slots__ = ("dag_id", "dag_version", "bundle_name", "bundle_digest", "created_at")
    DAG_ID_FIELD_NUMBER: _ClassVar[int]
    DAG_VERSION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_NAME_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    dag_id: str
    dag_version: int
    bundle_name: str
    bundle_digest: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, dag_id: _Optional[str] = ..., dag_version: _Optional[int] = ..., bundle_name: _Optional[str] = ..., bundle_digest: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UpcomingRun(_message.Message):
    __slots__ = ("dag_id", "logical_date", "run_after", "data_interval_start", "data_interval_end")
    DAG_ID_FIELD_NUMBER: _ClassVar[int]
    LOGICAL_DATE_FIELD_NUMBER: _ClassVar[int]
    RUN_AFTER_FIELD_NUMBER: _ClassVar[int]
    DATA_INTERVAL_START_FIELD_NUMBER: _ClassVar[int]
    DATA_INTERVAL_END_FIELD_NUMBER: _ClassVar[int]
    dag_id: str
    logical_date: _timestamp_pb2.Timestamp
    run_after: _timestamp_pb2.Timestamp
    data_interval_start: _timestamp_pb2.Timestamp
    data_interval_end: _timestamp_pb2.Timestamp
    def __init__(self, dag_id: _Optional[str] = ..., logical_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., run_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., data_interval_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., data_interval_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ImportError(_message.Message):
    __slots__ = ("path", "dag_id", "line", "message", "traceback", "bundle_name", "created_at")
    PATH_FIELD_NUMBER: _ClassVar[int]
    DAG_ID_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TRACEBACK_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    path: str
    dag_id: str
    line: int
    message: str
    traceback: str
    bundle_name: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, path: _Optional[str] = ..., dag_id: _Optional[str] = ..., line: _Optional[int] = ..., message: _Optional[str] = ..., traceback: _Optional[str] = ..., bundle_name: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListDagsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "include_retired")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_RETIRED_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    include_retired: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., include_retired: _Optional[bool] = ...) -> None: ...

class ListDagsResponse(_message.Message):
    __slots__ = ("dags", "next_page_token")
    DAGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dags: _containers.RepeatedCompositeFieldContainer[Dag]
    next_page_token: str
    def __init__(self, dags: _Optional[_Iterable[_Union[Dag, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetDagRequest(_message.Message):
    __slots__ = ("dag_id",)
    DAG_ID_FIELD_NUMBER: _ClassVar[int]
    dag_id: str
    def __init__(self, dag_id: _Optional[str] = ...) -> None: ...

class GetDagResponse(_message.Message):
    __slots__ = ("dag",)
    DAG_FIELD_NUMBER: _ClassVar[int]
    dag: Dag
    def __init__(self, dag: _Optional[_Union[Dag, _Mapping]] = ...) -> None: ...

class ListDagVersionsRequest(_message.Message):
    __slots__ = ("dag_id", "page_size", "page_token")
    DAG_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dag_id: str
    page_size: int
    page_token: str
    def __init__(self, dag_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDagVersionsResponse(_message.Message):
    __slots__ = ("dag_versions", "next_page_token")
    DAG_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dag_versions: _containers.RepeatedCompositeFieldContainer[DagVersion]
    next_page_token: str
    def __init__(self, dag_versions: _Optional[_Iterable[_Union[DagVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SubmitBundleRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: BundleHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[BundleHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class BundleHeader(_message.Message):
    __slots__ = ("name", "size_bytes", "sha256", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    size_bytes: int
    sha256: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SubmitBundleResponse(_message.Message):
    __slots__ = ("bundle_name", "bundle_digest", "dags", "import_errors", "retired_dag_ids")
    BUNDLE_NAME_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DAGS_FIELD_NUMBER: _ClassVar[int]
    IMPORT_ERRORS_FIELD_NUMBER: _ClassVar[int]
    RETIRED_DAG_IDS_FIELD_NUMBER: _ClassVar[int]
    bundle_name: str
    bundle_digest: str
    dags: _containers.RepeatedCompositeFieldContainer[Dag]
    import_errors: _containers.RepeatedCompositeFieldContainer[ImportError]
    retired_dag_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, bundle_name: _Optional[str] = ..., bundle_digest: _Optional[str] = ..., dags: _Optional[_Iterable[_Union[Dag, _Mapping]]] = ..., import_errors: _Optional[_Iterable[_Union[ImportError, _Mapping]]] = ..., retired_dag_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class TriggerDagRequest(_message.Message):
    __slots__ = ("dag_id", "run_id", "logical_date", "conf", "note", "request_id")
    DAG_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    LOGICAL_DATE_FIELD_NUMBER: _ClassVar[int]
    CONF_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    dag_id: str
    run_id: str
    logical_date: _timestamp_pb2.Timestamp
    conf: str
    note: str
    request_id: str
    def __init__(self, dag_id: _Optional[str] = ..., run_id: _Optional[str] = ..., logical_date: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., conf: _Optional[str] = ..., note: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class TriggerDagResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _runs_pb2.DagRun
    def __init__(self, run: _Optional[_Union[_runs_pb2.DagRun, _Mapping]] = ...) -> None: ...

class PauseDagRequest(_message.Message):
    __slots__ = ("dag_id", "request_id")
    DAG_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    dag_id: str
    request_id: str
    def __init__(self, dag_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class PauseDagResponse(_message.Message):
    __slots__ = ("dag",)
    DAG_FIELD_NUMBER: _ClassVar[int]
    dag: Dag
    def __init__(self, dag: _Optional[_Union[Dag, _Mapping]] = ...) -> None: ...

class UnpauseDagRequest(_message.Message):
    __slots__ = ("dag_id", "request_id")
    DAG_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    dag_id: str
    request_id: str
    def __init__(self, dag_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class UnpauseDagResponse(_message.Message):
    __slots__ = ("dag",)
    DAG_FIELD_NUMBER: _ClassVar[int]
    dag: Dag
    def __init__(self, dag: _Optional[_Union[Dag, _Mapping]] = ...) -> None: ...

class DeleteDagRequest(_message.Message):
    __slots__ = ("dag_id", "request_id")
    DAG_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    dag_id: str
    request_id: str
    def __init__(self, dag_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteDagResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListUpcomingRunsRequest(_message.Message):
    __slots__ = ("dag_id", "page_size", "page_token")
    DAG_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dag_id: str
    page_size: int
    page_token: str
    def __init__(self, dag_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListUpcomingRunsResponse(_message.Message):
    __slots__ = ("upcoming_runs", "next_page_token")
    UPCOMING_RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    upcoming_runs: _containers.RepeatedCompositeFieldContainer[UpcomingRun]
    next_page_token: str
    def __init__(self, upcoming_runs: _Optional[_Iterable[_Union[UpcomingRun, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListImportErrorsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListImportErrorsResponse(_message.Message):
    __slots__ = ("import_errors", "next_page_token")
    IMPORT_ERRORS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    import_errors: _containers.RepeatedCompositeFieldContainer[ImportError]
    next_page_token: str
    def __init__(self, import_errors: _Optional[_Iterable[_Union[ImportError, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
