package system.log_test

import data.system.log

test_values_are_masked if {
	log.mask == {
		"/input/call/arguments",
		"/input/principal/email",
		"/input/principal/name",
		"/input/principal/token",
		"/input/request",
	}
}
