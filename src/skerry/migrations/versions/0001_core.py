"""The core: organisations, users, tokens, signing keys, environments, queues, agents, outbox."""

from __future__ import annotations

from alembic import op

from skerry.tables.base import platform_policy, tenant_policy

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    create table skerry.organizations (
        organization_id uuid not null,
        slug text not null,
        name text not null,
        status text default 'active' not null,
        namespace_ready_at timestamptz,
        created_at timestamptz default now() not null,
        updated_at timestamptz default now() not null,
        constraint organizations_pkey primary key (organization_id),
        constraint organizations_status_check check (status in ('active', 'suspended')),
        constraint organizations_slug_check check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
        constraint organizations_slug_key unique (slug)
    )
    """,
    """
    create table skerry.signing_keys (
        kid text not null,
        algorithm text not null,
        public_jwk jsonb not null,
        private_sealed bytea not null,
        signs_from timestamptz not null,
        verifies_until timestamptz,
        created_at timestamptz default now() not null,
        constraint signing_keys_pkey primary key (kid)
    )
    """,
    """
    create table skerry.agents (
        organization_id uuid not null,
        id uuid not null,
        name text not null,
        description text,
        system_prompt text,
        model_id text,
        runtime text,
        runner_name text,
        team_id uuid,
        status text default 'idle' not null,
        capabilities jsonb default '[]'::jsonb not null,
        configuration jsonb default '{}'::jsonb not null,
        llm_config jsonb default '{}'::jsonb not null,
        execution_environment jsonb default '{}'::jsonb not null,
        skill_configurations jsonb default '{}'::jsonb not null,
        skill_ids text[] default '{}'::text[] not null,
        environment_ids text[] default '{}'::text[] not null,
        state jsonb default '{}'::jsonb not null,
        error_message text,
        created_by uuid,
        last_active_at timestamptz,
        created_at timestamptz default now() not null,
        updated_at timestamptz default now() not null,
        constraint agents_pkey primary key (organization_id, id),
        constraint agents_organizations_fkey foreign key (organization_id)
            references skerry.organizations (organization_id),
        constraint agents_status_check
            check (status in ('idle', 'running', 'paused', 'completed', 'failed', 'stopped'))
    )
    """,
    """
    create index agents_organization_id_created_at_idx on skerry.agents (organization_id, created_at)
    """,
    """
    create table skerry.environments (
        organization_id uuid not null,
        id uuid not null,
        name text not null,
        display_name text,
        description text,
        tags text[] default '{}'::text[] not null,
        settings jsonb default '{}'::jsonb not null,
        execution_environment jsonb default '{}'::jsonb not null,
        status text default 'active' not null,
        created_by uuid,
        created_at timestamptz default now() not null,
        updated_at timestamptz default now() not null,
        constraint environments_pkey primary key (organization_id, id),
        constraint environments_organizations_fkey foreign key (organization_id)
            references skerry.organizations (organization_id),
        constraint environments_status_check
            check (status in ('pending', 'provisioning', 'ready', 'active', 'inactive', 'error', 'archived'))
    )
    """,
    """
    create unique index environments_organization_id_name_idx on skerry.environments (organization_id, name)
    """,
    """
    create table skerry.outbox (
        organization_id uuid not null,
        id uuid not null,
        kind text not null,
        payload jsonb default '{}'::jsonb not null,
        attempts integer default 0 not null,
        due_at timestamptz default now() not null,
        delivered_at timestamptz,
        last_error text,
        created_at timestamptz default now() not null,
        constraint outbox_pkey primary key (organization_id, id),
        constraint outbox_organizations_fkey foreign key (organization_id)
            references skerry.organizations (organization_id)
    )
    """,
    """
    create index outbox_due_at_idx on skerry.outbox (due_at) where delivered_at is null
    """,
    """
    create table skerry.users (
        organization_id uuid not null,
        id uuid not null,
        email text not null,
        name text not null,
        password_hash text,
        roles text[] default '{}'::text[] not null,
        status text default 'active' not null,
        created_at timestamptz default now() not null,
        updated_at timestamptz default now() not null,
        constraint users_pkey primary key (organization_id, id),
        constraint users_organizations_fkey foreign key (organization_id)
            references skerry.organizations (organization_id),
        constraint users_status_check check (status in ('active', 'suspended'))
    )
    """,
    """
    create unique index users_organization_id_email_idx on skerry.users (organization_id, lower(email))
    """,
    """
    create table skerry.worker_queues (
        organization_id uuid not null,
        id uuid not null,
        environment_id uuid not null,
        name text not null,
        display_name text,
        description text,
        status text default 'active' not null,
        max_workers integer,
        heartbeat_interval integer default 60 not null,
        tags text[] default '{}'::text[] not null,
        settings jsonb default '{}'::jsonb not null,
        ephemeral boolean default false not null,
        created_by uuid,
        created_at timestamptz default now() not null,
        updated_at timestamptz default now() not null,
        constraint worker_queues_pkey primary key (organization_id, id),
        constraint worker_queues_organizations_fkey foreign key (organization_id)
            references skerry.organizations (organization_id),
        constraint worker_queues_environments_fkey foreign key (organization_id, environment_id)
            references skerry.environments (organization_id, id),
        constraint worker_queues_status_check check (status in ('active', 'inactive', 'maintenance')),
        constraint worker_queues_heartbeat_interval_check check (heartbeat_interval between 10 and 300)
    )
    """,
    """
    create unique index worker_queues_organization_id_environment_id_name_idx on skerry.worker_queues
            (organization_id, environment_id, name)
    """,
    """
    create table skerry.tokens (
        organization_id uuid not null,
        id uuid not null,
        kind text not null,
        name text not null,
        user_id uuid,
        worker_queue_id uuid,
        expires_at timestamptz not null,
        revoked_at timestamptz,
        created_at timestamptz default now() not null,
        constraint tokens_pkey primary key (organization_id, id),
        constraint tokens_organizations_fkey foreign key (organization_id)
            references skerry.organizations (organization_id),
        constraint tokens_users_fkey foreign key (organization_id, user_id)
            references skerry.users (organization_id, id) on delete cascade,
        constraint tokens_worker_queues_fkey foreign key (organization_id, worker_queue_id)
            references skerry.worker_queues (organization_id, id) on delete cascade,
        constraint tokens_holder_check check (
            (kind = 'api_key' and user_id is not null and worker_queue_id is null)
            or (kind = 'worker' and worker_queue_id is not null and user_id is null)
        )
    )
    """,
    """
    create index tokens_organization_id_user_id_idx on skerry.tokens (organization_id, user_id)
    """,
    """
    create index tokens_organization_id_worker_queue_id_idx on skerry.tokens
            (organization_id, worker_queue_id)
    """,
)

STATEMENTS = (
    *tenant_policy("organizations", app="select, update"),
    *platform_policy("organizations", commands=("select", "insert", "update")),
    *tenant_policy("users"),
    *tenant_policy("tokens", app="select, insert, update"),
    *tenant_policy("environments"),
    *tenant_policy("worker_queues"),
    *tenant_policy("agents"),
    *tenant_policy("outbox", app="select, insert"),
    *platform_policy("outbox", commands=("select", "update", "delete")),
    "alter table skerry.signing_keys enable row level security",
    "alter table skerry.signing_keys force row level security",
    *platform_policy("signing_keys", commands=("select", "insert", "update")),
)


def upgrade() -> None:
    for statement in (*TABLES, *STATEMENTS):
        op.execute(statement)


def downgrade() -> None:
    op.execute(
        "drop table skerry.outbox, skerry.agents, skerry.tokens, skerry.worker_queues, skerry.environments,"
        " skerry.users, skerry.organizations, skerry.signing_keys"
    )
