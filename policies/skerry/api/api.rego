# METADATA
# title: May this caller do this
# description: |
#   Asked by the API's guard, by POST /v1/data/skerry/api/decision. The input is
#   {principal: {kind, id, organization_id, roles}, action: "room:verb", organization_id}; the answer is
#   {allow, rule, reason, scopes, revision}. scopes is a closed list that repositories turn into SQL; an empty list
#   shows nothing. Everything is denied that no rule allows.
# scope: package
package skerry.api

# METADATA
# description: Goes up with every change of meaning; stored with the decision.
revision := "api-1"

# METADATA
# title: Decision
# entrypoint: true
decision := {"allow": allow, "rule": rule, "reason": reason, "scopes": scopes, "revision": revision}

default allow := false

allow if {
	same_organization
	count(grants) > 0
}

default rule := "api.not_granted"

rule := "api.other_organization" if not same_organization

rule := min(grants) if allow

default reason := "no role of the caller has this right"

reason := "the caller belongs to another organisation" if not same_organization

reason := sprintf("granted by %s", [rule]) if allow

default scopes := []

scopes := [{"kind": "organization", "id": input.organization_id}] if allow

same_organization if {
	is_string(input.organization_id)
	input.organization_id != ""
	input.principal.organization_id == input.organization_id
}

room := split(input.action, ":")[0]

verb := split(input.action, ":")[1]

# METADATA
# title: Administrators
# description: Everything in their own organisation.
grants contains "api.admin" if {
	has_role("admin")
	verb != ""
}

# METADATA
# title: Members
# description: Read everything but people's keys, work with agents, runs and files.
grants contains "api.member" if {
	has_role("member")
	verb in member_rights[room]
}

# METADATA
# title: Viewers
grants contains "api.viewer" if {
	has_role("viewer")
	verb == "read"
	room in readable
}

# METADATA
# title: Workers
# description: A worker pool registers itself and reports on its own queue's runs; which run that is, the API checks.
grants contains "api.worker" if {
	input.principal.kind == "worker"
	verb in worker_rights[room]
}

has_role(name) if {
	input.principal.kind == "user"
	name in input.principal.roles
}

readable := {"agents", "environments", "executions", "files", "models", "organizations", "projects", "queues", "teams", "workers"}

member_rights[name] contains "read" if some name in readable

member_rights[name] contains right if {
	some name, rights in {
		"agents": {"create", "update", "execute"},
		"executions": {"create", "update", "cancel"},
		"files": {"create"},
	}
	some right in rights
}

worker_rights := {
	"workers": {"register", "heartbeat"},
	"executions": {"work"},
	"files": {"read", "create"},
}
