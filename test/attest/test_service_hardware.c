/* A worker on hardware registers at a whole attestation service: net, keeper
 * and judge in processes of their own. */
#include "core/cleanup.h"
#include "core/clock.h"
#include "test/attest/as_world.h"
#include "test/attest/hw_world.h"

static void client_done(struct http_client **c)
{
	http_client_free(*c);
}
#define auto_client __attribute__((cleanup(client_done)))

/* A TDX machine, and a service that would take it. */
static bool start(struct as_world *w, struct hw_world *hw, bool trusted)
{
	auto_buf struct buf policy = buf_make(MANIFEST_MAX);

	as_world_init(w);
	hw_tdx_at(hw, clock_wall());
	hw_members(hw, &policy);
	buf_put_str(&policy, "}");
	as_world_hardware(w, buf_cstr(&policy));
	w->trust = trusted ? hw->roots[0] : NULL;
	return EXPECT(as_world_start(w, "memory"));
}

/* Register with evidence for this very connection; the status. */
static unsigned enter(struct as_world *w, struct hw_world *hw,
		      struct http_client *c)
{
	struct attempt a;

	if (!as_world_attempt(w, c, &a))
		return 0;
	a.group = "hardware";
	hw->statement = a.statement;
	hw_attest(hw);
	return as_world_post(w, c, &a, buf_slice(&hw->bundle));
}

TEST(a_worker_on_hardware_gets_a_lease_and_secrets)
{
	auto_as_world struct as_world w;
	auto_hw struct hw_world hw;
	auto_client struct http_client *c = NULL;

	CHECK(start(&w, &hw, true));
	c = as_world_connect(&w, false);
	CHECK(as_world_set(&w, c) == 200);
	CHECK(enter(&w, &hw, c) == 200);
	CHECK(strstr(buf_cstr(&w.body), "\"secrets\"") != NULL);
	CHECK(as_world_ask(&w, c, "GET", "/v1/workers", S("")) == 200);
	CHECK(strstr(buf_cstr(&w.body), "\"tee\":\"tdx\"") != NULL);
	CHECK(strstr(buf_cstr(&w.body), "\"policy\":\"hardware\"") != NULL);
}

TEST(a_machine_that_the_policy_does_not_allow_is_told_the_rule)
{
	auto_as_world struct as_world w;
	auto_hw struct hw_world hw;
	auto_client struct http_client *c = NULL;

	CHECK(start(&w, &hw, true));
	c = as_world_connect(&w, false);
	CHECK(as_world_set(&w, c) == 200);
	hw.tdx.o.td.attributes |= TDX_ATTR_DEBUG;
	CHECK(enter(&w, &hw, c) == 403);
	CHECK(strstr(buf_cstr(&w.body), "policy.debug: its memory can be "
					"read from outside (debug)") != NULL);
}

TEST(a_root_for_tests_is_nothing_to_a_service_that_was_not_told_of_it)
{
	auto_as_world struct as_world w;
	auto_hw struct hw_world hw;
	auto_client struct http_client *c = NULL;

	CHECK(start(&w, &hw, false));
	c = as_world_connect(&w, false);
	CHECK(as_world_set(&w, c) == 200);
	CHECK(enter(&w, &hw, c) == 403);
	CHECK(strstr(buf_cstr(&w.body), "tdx.chain.root") != NULL);
}
