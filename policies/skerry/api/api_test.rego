package skerry.api_test

import data.skerry.api

own := "0190c0de-0000-7000-8000-000000000001"

other := "0190c0de-0000-7000-8000-000000000009"

user(roles) := {"kind": "user", "id": "u", "organization_id": own, "roles": roles}

worker := {"kind": "worker", "id": "w", "organization_id": own, "roles": ["admin"]}

ask(principal, action) := {"principal": principal, "action": action, "organization_id": own}

test_an_administrator_does_everything_at_home if {
	every action in ["agents:create", "users:delete", "agents:read", "organizations:update"] {
		answer := api.decision with input as ask(user(["admin"]), action)
		answer.allow
		answer.rule == "api.admin"
		answer.reason == "granted by api.admin"
		answer.scopes == [{"kind": "organization", "id": own}]
		answer.revision != ""
	}
}

test_nobody_does_anything_elsewhere if {
	every principal in [user(["admin"]), worker] {
		request := object.union(ask(principal, "agents:read"), {"organization_id": other})
		answer := api.decision with input as request
		not answer.allow
		answer.rule == "api.other_organization"
		answer.reason == "the caller belongs to another organisation"
		answer.scopes == []
	}
}

test_no_organisation_is_no_organisation if {
	principal := {"kind": "user", "id": "u", "organization_id": "", "roles": ["admin"]}
	every organization in ["", null, 7] {
		request := {"principal": principal, "action": "agents:read", "organization_id": organization}
		answer := api.decision with input as request
		not answer.allow
		answer.rule == "api.other_organization"
	}
}

test_a_member_works if {
	every action in ["agents:create", "agents:read", "executions:create", "files:create", "workers:read"] {
		answer := api.decision with input as ask(user(["member"]), action)
		answer.allow
		answer.rule == "api.member"
	}
	every action in ["agents:delete", "users:create", "workers:register", "tokens:read"] {
		answer := api.decision with input as ask(user(["member"]), action)
		not answer.allow
		answer.rule == "api.not_granted"
		answer.reason == "no role of the caller has this right"
		answer.scopes == []
	}
}

test_a_viewer_reads if {
	seen := api.decision with input as ask(user(["viewer"]), "executions:read")
	seen.allow
	seen.rule == "api.viewer"
	every action in ["executions:create", "tokens:read", "agents:update"] {
		answer := api.decision with input as ask(user(["viewer"]), action)
		not answer.allow
	}
}

test_a_worker_works_on_runs_and_has_no_role if {
	every action in ["workers:register", "workers:heartbeat", "executions:work", "files:read", "files:create"] {
		answer := api.decision with input as ask(worker, action)
		answer.allow
		answer.rule == "api.worker"
	}
	every action in ["agents:create", "executions:create", "executions:read", "organizations:read"] {
		answer := api.decision with input as ask(worker, action)
		not answer.allow
	}
}

test_a_user_is_no_worker if {
	answer := api.decision with input as ask(user([]), "workers:register")
	not answer.allow
}

test_what_is_not_understood_is_denied if {
	requests := [
		{},
		{"principal": user(["admin"]), "organization_id": own},
		ask(user(["admin"]), "agents"),
		ask(user(["admin"]), "agents:"),
		ask(user(["admin"]), 7),
		ask({"kind": "user", "organization_id": own}, "agents:read"),
		ask({}, "agents:read"),
	]
	every request in requests {
		answer := api.decision with input as request
		not answer.allow
		answer.scopes == []
	}
}
