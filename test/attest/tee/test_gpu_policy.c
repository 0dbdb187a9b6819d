#include "attest/tee/gpu_policy.h"

#include "core/cleanup.h"
#include "core/ocsp.h"
#include "test/test.h"

#define NOW 1893456000
#define HOUR ((int64_t)3600)

/* Genuine GPU number id, all its certificates good. */
static struct gpu_claims gpu(uint8_t id)
{
	struct gpu_claims c = {
		.id = { .chip = "GH100", .arch = GPU_ARCH_HOPPER },
		.driver = "570.86.15",
		.vbios = "96.00.74.00.1A",
		.feature = GPU_FEATURE_NONE,
		.n_certificates = GPU_CERTIFICATES_MAX,
		.now = NOW,
	};

	memset(c.id.pdi, 0x10 + id, sizeof(c.id.pdi));
	c.id.pdi[0] = 0x41;
	memset(c.id.device, id, sizeof(c.id.device));
	memset(c.id.leaf, 0x80 + id, sizeof(c.id.leaf));
	for (size_t i = 0; i < c.n_certificates; i++)
		c.certificate[i].what = "device";
	return c;
}

static struct gpu_claims nvswitch(uint8_t id)
{
	struct gpu_claims c = gpu(id);

	c.id.is_switch = true;
	c.id.arch = GPU_ARCH_LS10;
	c.driver[0] = '\0';
	c.n_certificates = 6;
	return c;
}

/* The step that did not hold, or ""; its outcome. */
static bool judge(const struct gpu_policy *p, const struct gpu_claims *d,
		  size_t n, char step[static 64], enum trace_outcome *how)
{
	auto_trace struct trace t = { 0 };
	bool held = gpu_policy_holds(p, d, n, &t);
	const struct trace_step *f = trace_first_failure(&t);

	(void)snprintf(step, 64, "%s", f == NULL ? "" : f->rule->step);
	*how = f == NULL ? TRACE_OK : f->outcome;
	EXPECT(held == (f == NULL));
	return held;
}

static bool refused(const struct gpu_policy *p, const struct gpu_claims *d,
		    size_t n, const char *by)
{
	char step[64];
	enum trace_outcome how;

	return !judge(p, d, n, step, &how) && how == TRACE_FAILED &&
	       EXPECT(strcmp(step, by) == 0);
}

static bool accepted(const struct gpu_policy *p, const struct gpu_claims *d,
		     size_t n)
{
	char step[64];
	enum trace_outcome how;

	return judge(p, d, n, step, &how);
}

TEST(gpus_are_counted_and_each_is_another)
{
	struct gpu_policy p;
	struct gpu_claims d[] = { gpu(1), gpu(2), gpu(3) };

	gpu_policy_defaults(&p);
	CHECK(accepted(&p, d, 3));
	CHECK(refused(&p, d, 0, "gpu.policy.distinct"));
	p.count = 3;
	CHECK(accepted(&p, d, 3));
	CHECK(refused(&p, d, 2, "gpu.policy.count"));
	d[2] = nvswitch(3); /* is no GPU */
	CHECK(refused(&p, d, 3, "gpu.policy.count"));
	d[2] = gpu(3);
	memcpy(d[2].id.device, d[0].id.device, 32);
	CHECK(refused(&p, d, 3, "gpu.policy.distinct"));
	d[2] = gpu(3);
	memcpy(d[2].id.leaf, d[1].id.leaf, 32);
	CHECK(refused(&p, d, 3, "gpu.policy.distinct"));
}

TEST(gpus_are_what_the_lists_say)
{
	char *archs[] = { (char[]){ "blackwell" }, (char[]){ "hopper" } };
	char *drivers[] = { (char[]){ "570.86.15" } };
	char *vbios[] = { (char[]){ "96.00.74.00.1A" } };
	struct manifest_gpus m = {
		.arch = { 2, archs },
		.drivers = { 1, drivers },
		.vbios = { 1, vbios },
		.count = 1,
	};
	struct gpu_policy p;
	struct gpu_claims d[] = { gpu(1) };

	gpu_policy_from_manifest(&m, &p);
	CHECK(accepted(&p, d, 1));
	(void)snprintf(d->vbios, sizeof(d->vbios), "96.00.74.00.1a");
	CHECK(accepted(&p, d, 1));
	(void)snprintf(d->vbios, sizeof(d->vbios), "96.00.74.00.1B");
	CHECK(refused(&p, d, 1, "gpu.policy.vbios"));
	d[0] = gpu(1);
	(void)snprintf(d->driver, sizeof(d->driver), "570.86.1");
	CHECK(refused(&p, d, 1, "gpu.policy.drivers"));
	d[0] = gpu(1);
	m.arch.n = 1;
	CHECK(refused(&p, d, 1, "gpu.policy.arch"));
	m.arch.n = 0; /* empty: none, never any */
	CHECK(refused(&p, d, 1, "gpu.policy.arch"));
}

TEST(revocation_is_judged_by_what_is_tolerated)
{
	struct gpu_policy strict, unknown, grace;
	struct gpu_claims d[] = { gpu(1), gpu(2) };
	struct gpu_certificate *c = &d[1].certificate[4];
	char step[64];
	enum trace_outcome how;

	gpu_policy_defaults(&strict);
	unknown = grace = strict;
	unknown.ocsp_unknown = true;
	grace.ocsp_revoked_grace = 2;
	for (int r = GPU_REVOCATION_MISSING; r <= GPU_REVOCATION_STALE; r++) {
		c->revocation = (enum gpu_revocation)r;
		CHECK(!judge(&strict, d, 2, step, &how));
		CHECK_STR_EQ(step, "gpu.policy.revocation");
		CHECK(how == TRACE_NOT_CHECKED);
		CHECK(accepted(&unknown, d, 2));
	}
	c->revocation = GPU_REVOCATION_UNKNOWN;
	CHECK(refused(&strict, d, 2, "gpu.policy.revocation"));
	CHECK(refused(&grace, d, 2, "gpu.policy.revocation"));
	CHECK(accepted(&unknown, d, 2));

	c->revocation = GPU_REVOCATION_REVOKED;
	c->revoked_at = NOW;
	CHECK(refused(&strict, d, 2, "gpu.policy.revocation"));
	CHECK(refused(&unknown, d, 2, "gpu.policy.revocation"));
	CHECK(accepted(&grace, d, 2));
	c->revoked_at = NOW - 2 * HOUR + 1;
	CHECK(accepted(&grace, d, 2));
	c->revoked_at = NOW - 2 * HOUR;
	CHECK(refused(&grace, d, 2, "gpu.policy.revocation"));
	/* One that will be: not without grace. */
	c->revoked_at = NOW + HOUR;
	CHECK(refused(&strict, d, 2, "gpu.policy.revocation"));
	/* A known evil is shown before what is merely not known. */
	d[0].certificate[0].revocation = GPU_REVOCATION_MISSING;
	CHECK(refused(&strict, d, 2, "gpu.policy.revocation"));
}

/* ---- Protected PCIe ---- */

static void turn(const uint8_t *pdi, uint8_t out[static GPU_PDI_LEN])
{
	for (size_t i = 0; i < GPU_PDI_LEN; i++)
		out[i] = pdi[GPU_PDI_LEN - 1 - i];
}

/* Two GPUs and two switches, all linked. */
static void make_fabric(struct gpu_claims d[static 4])
{
	d[0] = gpu(1);
	d[1] = gpu(2);
	d[2] = nvswitch(3);
	d[3] = nvswitch(4);
	for (size_t i = 0; i < 2; i++) {
		d[i].ppcie = GPU_STATUS_ON;
		d[i].feature = GPU_FEATURE_PPCIE;
		d[i].n_pdis = 5; /* two links each, one not in use */
		turn(d[2].id.pdi, d[i].pdi[0]);
		turn(d[3].id.pdi, d[i].pdi[1]);
		turn(d[3].id.pdi, d[i].pdi[2]);
		turn(d[2].id.pdi, d[i].pdi[3]);
		d[i + 2].n_peers = GPU_PEERS;
		memset(d[i + 2].peer, 0xff, sizeof(d[i + 2].peer));
		turn(d[0].id.pdi, d[i + 2].peer[0]);
		turn(d[1].id.pdi, d[i + 2].peer[5]);
	}
}

TEST(a_gpu_on_protected_pcie_does_not_count_alone)
{
	const char *by = "gpu.policy.fabric";
	struct gpu_claims d[4];
	struct gpu_policy p;

	gpu_policy_defaults(&p);
	make_fabric(d);
	CHECK(accepted(&p, d, 4));
	CHECK(refused(&p, d, 1, by));	  /* alone */
	CHECK(refused(&p, d, 2, by));	  /* without the switches */
	CHECK(refused(&p, d, 3, by));	  /* without one */
	CHECK(refused(&p, d + 1, 3, by)); /* without the other GPU */
	d[0].ppcie = GPU_STATUS_NONE;	  /* either word for it does */
	CHECK(accepted(&p, d, 4));
	d[0].feature = GPU_FEATURE_SINGLE; /* one that is not on it */
	CHECK(refused(&p, d, 4, by));
	make_fabric(d);
	d[1].pdi[0][0] ^= 1; /* a switch that is not here */
	CHECK(refused(&p, d, 4, by));
	make_fabric(d);
	d[3].peer[1][0] = 0; /* a GPU that is not here */
	CHECK(refused(&p, d, 4, by));
	make_fabric(d);
	d[3].peer[5][0] ^= 1; /* switches with other GPUs */
	CHECK(refused(&p, d, 4, by));
	make_fabric(d);
	d[0].n_pdis = 0;
	CHECK(refused(&p, d, 4, by));
}

/* Of a switch alone, nothing is asked that only GPUs have. */
TEST(a_switch_alone_is_judged_too)
{
	struct gpu_claims d[] = { nvswitch(1) };
	struct gpu_policy p;

	gpu_policy_defaults(&p);
	CHECK(accepted(&p, d, 1));
}
