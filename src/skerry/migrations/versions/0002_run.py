"""The run: blobs, files, snapshots, workers, executions with their turns, calls, messages, transitions and events."""

from __future__ import annotations

from alembic import op

from skerry.tables.base import PLATFORM_ROLE, TENANT_EXPRESSION, platform_policy, tenant_policy

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MONTHS_AHEAD = 3

TABLES = (
    """
    create table skerry.blobs (
        organization_id uuid not null,
        sha256 text not null,
        size_bytes bigint not null,
        object_key text not null,
        created_at timestamptz default now() not null,
        constraint blobs_pkey primary key (organization_id, sha256),
        constraint blobs_organizations_fkey foreign key (organization_id)
            references skerry.organizations (organization_id),
        constraint blobs_sha256_check check (sha256 ~ '^[0-9a-f]{64}$'),
        constraint blobs_size_bytes_check check (size_bytes >= 0)
    )
    """,
    """
    create table skerry.files (
        organization_id uuid not null,
        id uuid not null,
        file_path text not null,
        file_name text not null,
        content_type text not null,
        sha256 text not null,
        tags text[] default '{}'::text[] not null,
        custom_metadata jsonb default '{}'::jsonb not null,
        uploaded_by uuid,
        access_count bigint default 0 not null,
        last_accessed_at timestamptz,
        created_at timestamptz default now() not null,
        updated_at timestamptz default now() not null,
        constraint files_pkey primary key (organization_id, id),
        constraint files_organizations_fkey foreign key (organization_id)
            references skerry.organizations (organization_id),
        constraint files_blobs_fkey foreign key (organization_id, sha256)
            references skerry.blobs (organization_id, sha256)
    )
    """,
    "create index files_organization_id_sha256_idx on skerry.files (organization_id, sha256)",
    "create index files_organization_id_file_path_idx on skerry.files (organization_id, file_path)",
    """
    create table skerry.snapshots (
        organization_id uuid not null,
        digest text not null,
        entries jsonb default '[]'::jsonb not null,
        created_at timestamptz default now() not null,
        constraint snapshots_pkey primary key (organization_id, digest),
        constraint snapshots_organizations_fkey foreign key (organization_id)
            references skerry.organizations (organization_id),
        constraint snapshots_digest_check check (digest ~ '^[0-9a-f]{64}$')
    )
    """,
    """
    create table skerry.workers (
        organization_id uuid not null,
        id uuid not null,
        worker_queue_id uuid not null,
        token_id uuid not null,
        hostname text default '' not null,
        version text default '' not null,
        status text default 'active' not null,
        tasks_processed bigint default 0 not null,
        system_info jsonb default '{}'::jsonb not null,
        last_heartbeat_at timestamptz default now() not null,
        disconnected_at timestamptz,
        disconnect_reason text,
        created_at timestamptz default now() not null,
        constraint workers_pkey primary key (organization_id, id),
        constraint workers_organizations_fkey foreign key (organization_id)
            references skerry.organizations (organization_id),
        constraint workers_worker_queues_fkey foreign key (organization_id, worker_queue_id)
            references skerry.worker_queues (organization_id, id) on delete cascade,
        constraint workers_tokens_fkey foreign key (organization_id, token_id)
            references skerry.tokens (organization_id, id) on delete cascade,
        constraint workers_status_check check (status in ('active', 'idle', 'busy', 'offline', 'disconnected'))
    )
    """,
    "create index workers_organization_id_worker_queue_id_idx on skerry.workers (organization_id, worker_queue_id)",
    "create index workers_organization_id_token_id_idx on skerry.workers (organization_id, token_id)",
    """
    create table skerry.executions (
        organization_id uuid not null,
        id uuid not null,
        created_on date not null,
        execution_type text default 'agent' not null,
        agent_id uuid not null,
        agent_name text not null,
        worker_queue_id uuid not null,
        status text default 'pending' not null,
        prompt text not null,
        system_prompt text,
        model_id text not null,
        tools text[] not null,
        limits jsonb default '{}'::jsonb not null,
        workspace text not null,
        response text,
        error_code text,
        usage jsonb default '{}'::jsonb not null,
        execution_metadata jsonb default '{}'::jsonb not null,
        user_metadata jsonb default '{}'::jsonb not null,
        created_by uuid,
        user_email text,
        user_name text,
        created_at timestamptz default now() not null,
        started_at timestamptz,
        completed_at timestamptz,
        updated_at timestamptz default now() not null,
        constraint executions_pkey primary key (organization_id, id),
        constraint executions_organization_id_id_created_on_key unique (organization_id, id, created_on),
        constraint executions_organizations_fkey foreign key (organization_id)
            references skerry.organizations (organization_id),
        constraint executions_agents_fkey foreign key (organization_id, agent_id)
            references skerry.agents (organization_id, id),
        constraint executions_worker_queues_fkey foreign key (organization_id, worker_queue_id)
            references skerry.worker_queues (organization_id, id),
        constraint executions_snapshots_fkey foreign key (organization_id, workspace)
            references skerry.snapshots (organization_id, digest),
        constraint executions_status_check check (status in ('pending', 'queued', 'running', 'waiting_for_input',
            'paused', 'completed', 'failed', 'cancelled'))
    )
    """,
    "create index executions_organization_id_created_at_idx on skerry.executions (organization_id, created_at)",
    "create index executions_organization_id_agent_id_idx on skerry.executions (organization_id, agent_id)",
    """
    create index executions_organization_id_worker_queue_id_idx on skerry.executions (organization_id, worker_queue_id)
    """,
    "create index executions_organization_id_workspace_idx on skerry.executions (organization_id, workspace)",
    """
    create index executions_open_idx on skerry.executions (organization_id)
        where status not in ('completed', 'failed', 'cancelled')
    """,
    """
    create table skerry.execution_counters (
        organization_id uuid not null,
        execution_id uuid not null,
        last_event bigint default 0 not null,
        constraint execution_counters_pkey primary key (organization_id, execution_id),
        constraint execution_counters_executions_fkey foreign key (organization_id, execution_id)
            references skerry.executions (organization_id, id) on delete cascade
    )
    """,
    """
    create table skerry.execution_turns (
        organization_id uuid not null,
        execution_id uuid not null,
        step integer not null,
        attempt integer not null,
        message_id uuid not null,
        status text default 'running' not null,
        calls integer default 0 not null,
        model text default '' not null,
        model_digest text,
        finish_reason text default '' not null,
        prompt_tokens bigint default 0 not null,
        completion_tokens bigint default 0 not null,
        price_micros bigint default 0 not null,
        first_token_us bigint default 0 not null,
        total_us bigint default 0 not null,
        started_at timestamptz default now() not null,
        completed_at timestamptz,
        constraint execution_turns_pkey primary key (organization_id, execution_id, step),
        constraint execution_turns_executions_fkey foreign key (organization_id, execution_id)
            references skerry.executions (organization_id, id) on delete cascade,
        constraint execution_turns_status_check check (status in ('running', 'completed'))
    )
    """,
    """
    create table skerry.execution_tool_calls (
        organization_id uuid not null,
        execution_id uuid not null,
        step integer not null,
        turn_step integer not null,
        attempt integer default 0 not null,
        tool text not null,
        arguments text not null,
        status text default 'requested' not null,
        rule text,
        policy_revision text,
        code text,
        result text,
        parent_workspace text,
        workspace text,
        requested_at timestamptz default now() not null,
        started_at timestamptz,
        completed_at timestamptz,
        constraint execution_tool_calls_pkey primary key (organization_id, execution_id, step),
        constraint execution_tool_calls_executions_fkey foreign key (organization_id, execution_id)
            references skerry.executions (organization_id, id) on delete cascade,
        constraint execution_tool_calls_status_check
            check (status in ('requested', 'started', 'completed', 'denied', 'failed', 'outcome_unknown'))
    )
    """,
    """
    create table skerry.execution_messages (
        organization_id uuid not null,
        execution_id uuid not null,
        position bigint not null,
        message_id uuid not null,
        role text not null,
        content text not null,
        step integer,
        created_at timestamptz default now() not null,
        constraint execution_messages_pkey primary key (organization_id, execution_id, position),
        constraint execution_messages_executions_fkey foreign key (organization_id, execution_id)
            references skerry.executions (organization_id, id) on delete cascade,
        constraint execution_messages_role_check check (role in ('user', 'assistant', 'tool'))
    )
    """,
    """
    create table skerry.execution_transitions (
        organization_id uuid not null,
        execution_id uuid not null,
        position bigint not null,
        from_status text,
        to_status text not null,
        reason text not null,
        created_at timestamptz default now() not null,
        constraint execution_transitions_pkey primary key (organization_id, execution_id, position),
        constraint execution_transitions_executions_fkey foreign key (organization_id, execution_id)
            references skerry.executions (organization_id, id) on delete cascade
    )
    """,
    """
    create table skerry.execution_events (
        organization_id uuid not null,
        created_on date not null,
        execution_id uuid not null,
        position bigint not null,
        kind text not null,
        data jsonb not null,
        step integer,
        attempt integer,
        n integer,
        created_at timestamptz default now() not null,
        constraint execution_events_pkey primary key (organization_id, created_on, execution_id, position),
        constraint execution_events_piece_key
            unique (organization_id, created_on, execution_id, step, attempt, n),
        constraint execution_events_executions_fkey foreign key (organization_id, execution_id, created_on)
            references skerry.executions (organization_id, id, created_on) on delete cascade
    ) partition by range (created_on)
    """,
)

# A partition is nobody's to read but through its parent, and is under the same policy should that ever change.
MAKE_PARTITIONS = f"""
    create function skerry.make_event_partitions(months_ahead integer) returns integer
    language plpgsql security definer set search_path = skerry, pg_temp as $body$
    declare
        first date;
        name text;
        made integer := 0;
    begin
        if months_ahead not between 0 and 24 then
            raise exception 'months_ahead is %, wanted 0 to 24', months_ahead;
        end if;
        for step in 0..months_ahead loop
            first := (date_trunc('month', now() at time zone 'UTC') + make_interval(months => step))::date;
            name := 'execution_events_' || to_char(first, 'YYYY_MM');
            continue when to_regclass('skerry.' || name) is not null;
            execute format(
                'create table skerry.%I partition of skerry.execution_events for values from (%L) to (%L)',
                name, first, (first + interval '1 month')::date);
            execute format('alter table skerry.%I enable row level security', name);
            execute format('alter table skerry.%I force row level security', name);
            execute format('create policy tenant on skerry.%I using ({TENANT_EXPRESSION.replace("'", "''")})', name);
            made := made + 1;
        end loop;
        return made;
    end
    $body$
"""

RING_OUTBOX = """
    create function skerry.ring_outbox() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as
    $body$ begin perform pg_notify('skerry_outbox', ''); return null; end $body$
"""

STATEMENTS = (
    RING_OUTBOX,
    """
    create trigger ring_outbox after insert on skerry.outbox
        for each statement execute function skerry.ring_outbox()
    """,
    *tenant_policy("blobs", app="select, insert, delete"),
    *tenant_policy("files"),
    *tenant_policy("snapshots", app="select, insert, delete"),
    *tenant_policy("workers", app="select, insert, update"),
    *platform_policy("workers", commands=("select",)),
    *tenant_policy("executions"),
    *platform_policy("executions", commands=("select",)),
    *tenant_policy("execution_counters", app="select, insert, update"),
    *tenant_policy("execution_turns", app="select, insert, update"),
    *tenant_policy("execution_tool_calls", app="select, insert, update"),
    *tenant_policy("execution_messages", app="select, insert"),
    *tenant_policy("execution_transitions", app="select, insert"),
    *tenant_policy("execution_events", app="select, insert, delete"),
    MAKE_PARTITIONS,
    "revoke all on function skerry.make_event_partitions(integer) from public",
    f"grant execute on function skerry.make_event_partitions(integer) to {PLATFORM_ROLE}",
    f"select skerry.make_event_partitions({MONTHS_AHEAD})",
)


def upgrade() -> None:
    for statement in (*TABLES, *STATEMENTS):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop trigger ring_outbox on skerry.outbox")
    op.execute("drop function skerry.ring_outbox(), skerry.make_event_partitions(integer)")
    op.execute(
        "drop table skerry.execution_events, skerry.execution_transitions, skerry.execution_messages,"
        " skerry.execution_tool_calls, skerry.execution_turns, skerry.execution_counters, skerry.executions,"
        " skerry.workers, skerry.snapshots, skerry.files, skerry.blobs"
    )
