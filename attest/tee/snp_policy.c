#include "attest/tee/snp_policy.h"

#include "core/cleanup.h"

#define SOURCE "confd-manifest(5), POLICIES"
#define ABI_POLICY "AMD 56860, guest policy"
#define ABI_PLATFORM "AMD 56860, ATTESTATION_REPORT, PLATFORM_INFO"
#define ABI "AMD 56860, ATTESTATION_REPORT"
#define KDS "AMD 57230, VCEK Certificate and KDS Interface"
#define CHIP_LEN 64

enum outcome { NOT_ASKED, REFUSED, HOLDS };

/* A rule says what it expects and finds, unless nobody asked. */
struct row;
typedef enum outcome row_check(const struct snp_policy *p,
			       const struct snp_claims *c,
			       const struct row *row, struct trace *t);

struct row {
	struct trace_rule rule;
	row_check *check;
	uint64_t bits;	      /* of a rule about bits */
	const char *what;     /* they are */
	size_t list, at, len; /* of a rule about a list: where it is in the
				 * policy, and the field in the report */
};

static enum outcome outcome(bool holds)
{
	return holds ? HOLDS : REFUSED;
}

/* ---- Lists ---- */

static void expect_listed(struct trace *t, const struct manifest_digests *l)
{
	if (l->n == 0) {
		trace_expect(t, "nothing: the list is empty");
		return;
	}
	trace_expect_bytes(t, slice_make(l->item[0].value, l->item[0].len));
	if (l->n > 1)
		trace_expect(t, " or %zu others", l->n - 1);
}

static enum outcome listed(const struct manifest_digests *l, struct slice value,
			   struct trace *t)
{
	if (l == NULL)
		return NOT_ASKED;
	expect_listed(t, l);
	trace_find_bytes(t, value);
	return outcome(manifest_digests_have(l, value));
}

/* A field of the report in a list of the policy. */
static enum outcome listed_field(const struct snp_policy *p,
				 const struct snp_claims *c,
				 const struct row *row, struct trace *t)
{
	const struct manifest_digests *list;

	memcpy(&list, (const uint8_t *)p + row->list, sizeof(list));
	return listed(
		list,
		slice_make((const uint8_t *)&c->report + row->at, row->len), t);
}

/* A digest of a key that was not used is zero, which is no key's. */
static enum outcome key_digest(const struct manifest_digests *l,
			       struct slice digest, bool used, struct trace *t)
{
	enum outcome o = listed(l, digest, t);

	if (o != HOLDS || (used && !all_zero(digest.p, digest.len)))
		return o;
	trace_find(t, ", which no key signed for");
	return REFUSED;
}

static enum outcome id_key(const struct snp_policy *p,
			   const struct snp_claims *c, const struct row *row,
			   struct trace *t)
{
	(void)row;
	return key_digest(p->id_keys, slice_of(c->report.id_key_digest), true,
			  t);
}

static enum outcome author_key(const struct snp_policy *p,
			       const struct snp_claims *c,
			       const struct row *row, struct trace *t)
{
	(void)row;
	return key_digest(p->author_keys, slice_of(c->report.author_key_digest),
			  snp_report_author_key_en(&c->report), t);
}

static enum outcome report_data(const struct snp_policy *p,
				const struct snp_claims *c,
				const struct row *row, struct trace *t)
{
	struct slice found = slice_of(c->report.report_data);

	(void)row;
	if (p->report_data == NULL)
		return NOT_ASKED;
	struct slice want = slice_make(p->report_data, found.len);
	trace_expect_bytes(t, want);
	trace_find_bytes(t, found);
	return outcome(slice_eq_ct(want, found));
}

static enum outcome product(const struct snp_policy *p,
			    const struct snp_claims *c, const struct row *row,
			    struct trace *t)
{
	const char *name = snp_report_product_name(c->product);

	(void)row;
	if (p->products == NULL)
		return NOT_ASKED;
	for (size_t i = 0; i < p->products->n; i++)
		trace_expect(t, "%s%s", i == 0 ? "" : " or ",
			     p->products->item[i]);
	trace_find(t, "%s", name);
	return outcome(manifest_strings_have(p->products, slice_str(name)));
}

/* ---- The chip, and whose key signed ---- */

/* Whether an id of 64 or 8 bytes is this chip's; zeros are no chip's. */
static bool is_chip(const struct manifest_digest *id, struct slice chip)
{
	if (id->len > chip.len || id->len < 8 || all_zero(id->value, id->len))
		return false;
	return memcmp(id->value, chip.p, id->len) == 0 &&
	       all_zero(chip.p + id->len, chip.len - id->len);
}

static bool lists_chip(const struct manifest_digests *l, struct slice chip)
{
	bool found = false;

	for (size_t i = 0; i < l->n; i++)
		found |= is_chip(&l->item[i], chip);
	return found;
}

static void find_chip(struct trace *t, struct slice chip)
{
	if (chip.len == 0)
		trace_find(t, "a chip that is not named");
	else
		trace_find_bytes(t, chip);
}

static enum outcome chip(const struct snp_policy *p, const struct snp_claims *c,
			 const struct row *row, struct trace *t)
{
	struct slice id = snp_verify_chip(c);

	(void)row;
	if (p->chips == NULL)
		return NOT_ASKED;
	expect_listed(t, p->chips);
	find_chip(t, id);
	return outcome(lists_chip(p->chips, id));
}

/* A chip that nobody names could be one of those. */
static enum outcome denied_chip(const struct snp_policy *p,
				const struct snp_claims *c,
				const struct row *row, struct trace *t)
{
	struct slice id = snp_verify_chip(c);

	(void)row;
	if (p->denied_chips == NULL || p->denied_chips->n == 0)
		return NOT_ASKED;
	trace_expect(t, "a chip other than the %zu denied", p->denied_chips->n);
	find_chip(t, id);
	return outcome(id.len != 0 && !lists_chip(p->denied_chips, id));
}

static enum outcome masked_chip(const struct snp_policy *p,
				const struct snp_claims *c,
				const struct row *row, struct trace *t)
{
	bool masked = c->chip_masked && c->key.kind == SNP_KEY_VCEK;

	(void)row;
	trace_expect(t, p->masked_chip ? "a chip id, or a masked one"
				       : "a chip id");
	trace_find(t, c->key.kind == SNP_KEY_VLEK ? "a VLEK's report, whose "
						    "chip does not count"
		      : masked			  ? "a masked one"
						  : "a chip id");
	return outcome(p->masked_chip || !masked);
}

static enum outcome key_kind(const struct snp_policy *p,
			     const struct snp_claims *c, const struct row *row,
			     struct trace *t)
{
	(void)row;
	trace_expect(t, p->vlek ? "a VCEK or a VLEK" : "a VCEK");
	trace_find(t, "a %s", snp_report_key_name(c->key.kind));
	return outcome(p->vlek || c->key.kind == SNP_KEY_VCEK);
}

static enum outcome csp_id(const struct snp_policy *p,
			   const struct snp_claims *c, const struct row *row,
			   struct trace *t)
{
	(void)row;
	if (p->csp_ids == NULL || c->key.kind == SNP_KEY_VCEK)
		return NOT_ASKED;
	for (size_t i = 0; i < p->csp_ids->n; i++)
		trace_expect(t, "%s%s", i == 0 ? "" : " or ",
			     p->csp_ids->item[i]);
	trace_find(t, "%s", c->key.csp_id);
	return outcome(
		manifest_strings_have(p->csp_ids, slice_str(c->key.csp_id)));
}

static enum outcome revocation(const struct snp_policy *p,
			       const struct snp_claims *c,
			       const struct row *row, struct trace *t)
{
	(void)row;
	trace_expect(t, p->crl ? "AMD's revocation list"
			       : "nothing: a revocation list is not asked for");
	trace_find(t, c->crl ? "a current list, the signer not on it"
			     : "no list: revocation was not checked");
	return outcome(c->crl || !p->crl);
}

/* ---- Bits ---- */

static enum outcome bits(uint64_t set, uint64_t clear, uint64_t found,
			 const struct row *row, struct trace *t)
{
	uint64_t want = row->bits & (set | clear);

	if (want == 0)
		return NOT_ASKED;
	trace_expect(t, "%s %s", row->what, (set & want) != 0 ? "on" : "off");
	trace_find(t, (found & row->bits) != 0 ? "on" : "off");
	if ((row->bits & (row->bits - 1)) != 0)
		trace_find(t, ": %#llx",
			   (unsigned long long)(found & row->bits));
	return outcome((found & want) == (set & want));
}

static enum outcome policy_bits(const struct snp_policy *p,
				const struct snp_claims *c,
				const struct row *row, struct trace *t)
{
	return bits(p->policy_set, p->policy_clear, c->report.policy, row, t);
}

static enum outcome platform_bits(const struct snp_policy *p,
				  const struct snp_claims *c,
				  const struct row *row, struct trace *t)
{
	return bits(p->platform_set, p->platform_clear, c->report.platform_info,
		    row, t);
}

/* Firmware keeps it all ones for a guest without an agent. */
static enum outcome migration_agent(const struct snp_policy *p,
				    const struct snp_claims *c,
				    const struct row *row, struct trace *t)
{
	uint8_t none[sizeof(c->report.report_id_ma)];

	(void)row;
	if ((p->policy_clear & SNP_POLICY_MIGRATE_MA) == 0)
		return NOT_ASKED;
	memset(none, 0xff, sizeof(none));
	trace_expect(t, "none: all ff");
	trace_find_bytes(t, slice_of(c->report.report_id_ma));
	return outcome(memcmp(none, c->report.report_id_ma, sizeof(none)) == 0);
}

static enum outcome mit_bits(uint64_t want, uint64_t found, struct trace *t)
{
	if (want == 0)
		return NOT_ASKED;
	trace_expect(t, "all of %#llx", (unsigned long long)want);
	trace_find(t, "%#llx", (unsigned long long)found);
	return outcome((found & want) == want);
}

static enum outcome launch_mit(const struct snp_policy *p,
			       const struct snp_claims *c,
			       const struct row *row, struct trace *t)
{
	(void)row;
	return mit_bits(p->launch_mit, c->report.launch_mit_vector, t);
}

static enum outcome current_mit(const struct snp_policy *p,
				const struct snp_claims *c,
				const struct row *row, struct trace *t)
{
	(void)row;
	return mit_bits(p->current_mit, c->report.current_mit_vector, t);
}

/* ---- Versions ---- */

static enum outcome vmpl(const struct snp_policy *p, const struct snp_claims *c,
			 const struct row *row, struct trace *t)
{
	(void)row;
	trace_expect(t, "%u", p->vmpl);
	if (c->report.vmpl == SNP_VMPL_HOST)
		trace_find(t, "none: the host asked for the report");
	else
		trace_find(t, "%u", c->report.vmpl);
	return outcome(c->report.vmpl == p->vmpl && p->vmpl <= 3);
}

static enum outcome at_least_tcb(const struct snp_policy *p,
				 const struct snp_claims *c,
				 const struct snp_tcb *found, struct trace *t)
{
	struct snp_tcb want = p->min_tcb;
	char text[SNP_TCB_TEXT];

	if (c->product != SNP_TURIN)
		want.fmc = 0;
	snp_report_tcb_text(&want, c->product, text);
	if (snp_report_tcb_at_most(&want, &(struct snp_tcb){ 0 }))
		trace_expect(t, "any");
	else
		trace_expect(t, "at least %s", text);
	snp_report_tcb_text(found, c->product, text);
	trace_find(t, "%s", text);
	return outcome(snp_report_tcb_at_most(&want, found));
}

static enum outcome reported_tcb(const struct snp_policy *p,
				 const struct snp_claims *c,
				 const struct row *row, struct trace *t)
{
	(void)row;
	return at_least_tcb(p, c, &c->reported_tcb, t);
}

static enum outcome committed_tcb(const struct snp_policy *p,
				  const struct snp_claims *c,
				  const struct row *row, struct trace *t)
{
	(void)row;
	return at_least_tcb(p, c, &c->committed_tcb, t);
}

static enum outcome launch_tcb(const struct snp_policy *p,
			       const struct snp_claims *c,
			       const struct row *row, struct trace *t)
{
	(void)row;
	return at_least_tcb(p, c, &c->launch_tcb, t);
}

/* Firmware that is not committed can be taken back by the host. */
static enum outcome provisional(const struct snp_policy *p,
				const struct snp_claims *c,
				const struct row *row, struct trace *t)
{
	const struct snp_firmware *now = &c->report.current;
	const struct snp_firmware *kept = &c->report.committed;
	bool same = snp_report_tcb_eq(&c->current_tcb, &c->committed_tcb) &&
		    now->build == kept->build && now->minor == kept->minor &&
		    now->major == kept->major;

	(void)row;
	trace_expect(t, p->provisional ? "committed or provisional firmware"
				       : "committed firmware");
	trace_find(t, "%s: %u.%u build %u, committed %u.%u build %u",
		   same ? "committed" : "provisional", now->major, now->minor,
		   now->build, kept->major, kept->minor, kept->build);
	return outcome(p->provisional || same);
}

static uint32_t firmware_number(const struct snp_firmware *f)
{
	return (uint32_t)f->major << 16 | (uint32_t)f->minor << 8 | f->build;
}

static enum outcome firmware(const struct snp_policy *p,
			     const struct snp_claims *c, const struct row *row,
			     struct trace *t)
{
	const struct snp_firmware *want = &p->min_firmware;
	const struct snp_firmware *found = &c->report.committed;

	(void)row;
	if (firmware_number(want) == 0)
		return NOT_ASKED;
	trace_expect(t, "at least %u.%u build %u", want->major, want->minor,
		     want->build);
	trace_find(t, "%u.%u build %u", found->major, found->minor,
		   found->build);
	return outcome(firmware_number(found) >= firmware_number(want));
}

static enum outcome abi(const struct snp_policy *p, const struct snp_claims *c,
			const struct row *row, struct trace *t)
{
	uint32_t want = (uint32_t)p->min_abi_major << 8 | p->min_abi_minor;
	uint32_t found = (uint32_t)(c->report.policy & 0xffff);

	(void)row;
	if (want == 0)
		return NOT_ASKED;
	trace_expect(t, "at least %u.%u", p->min_abi_major, p->min_abi_minor);
	trace_find(t, "%u.%u", found >> 8, found & 0xff);
	return outcome(found >= want);
}

static enum outcome at_least(uint32_t want, uint32_t found, struct trace *t)
{
	if (want == 0)
		return NOT_ASKED;
	trace_expect(t, "at least %u", want);
	trace_find(t, "%u", found);
	return outcome(found >= want);
}

static enum outcome report_version(const struct snp_policy *p,
				   const struct snp_claims *c,
				   const struct row *row, struct trace *t)
{
	(void)row;
	return at_least(p->min_version, c->report.version, t);
}

static enum outcome guest_svn(const struct snp_policy *p,
			      const struct snp_claims *c, const struct row *row,
			      struct trace *t)
{
	(void)row;
	return at_least(p->min_guest_svn, c->report.guest_svn, t);
}

/* ---- The table ---- */

/* clang-format off */
#define RULE(step, text, source) { "policy." step, E_POLICY, text, source }
#define POLICY_BIT(step, bit, w, text) \
	{ .rule = RULE(step, text, ABI_POLICY), .check = policy_bits, \
	  .bits = bit, \
	  .what = w }
#define PLATFORM_BIT(step, bit, w, text) \
	{ .rule = RULE("platform." step, text, ABI_PLATFORM), \
	  .check = platform_bits, .bits = bit, .what = w }
#define LISTED(step, member, field, text) \
	{ .rule = RULE(step, text, SOURCE), .check = listed_field, \
	  .list = offsetof(struct snp_policy, member), \
	  .at = offsetof(struct snp_report, field), \
	  .len = sizeof(((struct snp_report *)0)->field) }
#define PLAIN(step, function, text, source) \
	{ .rule = RULE(step, text, source), .check = function }

static const struct row rows[] = {
	LISTED("measurement", measurements, measurement,
		"the policy does not list this image"),
	PLAIN("report_data", report_data,
		"the report is not bound to what was expected", ABI),
	POLICY_BIT("debug", SNP_POLICY_DEBUG, "debugging",
		"the host can read its memory (debug)"),
	POLICY_BIT("migrate", SNP_POLICY_MIGRATE_MA, "migration",
		"the host can move it to another machine (migration)"),
	PLAIN("migration_agent", migration_agent,
		"a migration agent can export it", ABI),
	PLAIN("vmpl", vmpl,
		"the report was asked for at another privilege level", ABI),
	PLAIN("key", key_kind,
		"the policy does not tolerate a provider's key (VLEK)", KDS),
	PLAIN("csp_id", csp_id,
		"the key is of another provider", KDS),
	PLAIN("product", product,
		"the policy does not list this product", SOURCE),
	PLAIN("tcb.reported", reported_tcb,
		"the platform's firmware is older than the policy asks "
		"for", SOURCE),
	PLAIN("tcb.committed", committed_tcb,
		"the host can go back to older firmware than the "
		"policy asks for", SOURCE),
	PLAIN("tcb.launch", launch_tcb,
		"it was launched under older firmware than the policy "
		"asks for", SOURCE),
	PLAIN("provisional", provisional,
		"the platform's firmware is not committed", ABI),
	PLAIN("firmware", firmware,
		"the firmware's version is older than the policy asks "
		"for", SOURCE),
	PLAIN("version", report_version,
		"the report is of an older form than the policy asks "
		"for", SOURCE),
	PLAIN("masked_chip", masked_chip,
		"the report does not name its chip", ABI),
	PLAIN("chip", chip,
		"the policy does not list this chip", SOURCE),
	PLAIN("denied_chip", denied_chip,
		"the policy denies this chip", SOURCE),
	LISTED("host_data", host_data, host_data,
		"the policy does not list this host data"),
	PLAIN("id_key", id_key,
		"the policy does not list the key of its ID block", SOURCE),
	PLAIN("author_key", author_key,
		"the policy does not list its author's key", SOURCE),
	LISTED("family_id", family_ids, family_id,
		"the policy does not list this family of images"),
	LISTED("image_id", image_ids, image_id,
		"the policy does not list this image's id"),
	PLAIN("guest_svn", guest_svn,
		"the image is older than the policy asks for", SOURCE),
	PLAIN("abi", abi,
		"the image allows older firmware than the policy asks "
		"for", ABI_POLICY),
	POLICY_BIT("smt", SNP_POLICY_SMT, "SMT",
		"sibling threads of its cores are not as the policy asks"),
	POLICY_BIT("single_socket", SNP_POLICY_SINGLE_SOCKET,
		"a single socket",
		"the sockets it may run on are not as the policy asks"),
	POLICY_BIT("cxl", SNP_POLICY_CXL_ALLOW, "memory or devices over CXL",
		"CXL is not as the policy asks"),
	POLICY_BIT("aes_xts", SNP_POLICY_MEM_AES_256_XTS,
		"memory encryption by AES-256-XTS",
		"its memory's encryption is not as the policy asks"),
	POLICY_BIT("rapl", SNP_POLICY_RAPL_DIS, "RAPL disabled",
		"power measurement is not as the policy asks"),
	POLICY_BIT("ciphertext_hiding", SNP_POLICY_CIPHERTEXT_HIDING,
		"ciphertext hiding",
		"ciphertext hiding is not as the policy asks"),
	POLICY_BIT("page_swap", SNP_POLICY_PAGE_SWAP_DISABLE,
		"page swapping disabled",
		"page swapping is not as the policy asks"),
	PLATFORM_BIT("smt", SNP_PLATFORM_SMT, "SMT",
		"the platform's SMT is not as the policy asks"),
	PLATFORM_BIT("tsme", SNP_PLATFORM_TSME, "TSME",
		"the platform's memory encryption is not as the policy asks"),
	PLATFORM_BIT("ecc", SNP_PLATFORM_ECC, "ECC memory",
		"the platform's ECC is not as the policy asks"),
	PLATFORM_BIT("rapl", SNP_PLATFORM_RAPL_DIS, "RAPL disabled",
		"the platform's power measurement is not as the policy asks"),
	PLATFORM_BIT("ciphertext_hiding", SNP_PLATFORM_CIPHERTEXT_HIDING,
		"ciphertext hiding",
		"the platform's ciphertext hiding is not as the policy asks"),
	PLATFORM_BIT("alias_check", SNP_PLATFORM_ALIAS_CHECK,
		"a check for aliased memory since the last reset",
		"the platform's check for aliased memory is not as the policy "
		"asks"),
	PLATFORM_BIT("tio", SNP_PLATFORM_TIO, "SEV-TIO",
		"the platform's trusted I/O is not as the policy asks"),
	PLATFORM_BIT("reserved", SNP_PLATFORM_RESERVED, "bits 63 to 8",
		"the platform says something that we do not know"),
	PLAIN("launch_mit", launch_mit,
		"a mitigation was missing at launch", ABI),
	PLAIN("current_mit", current_mit,
		"a mitigation is missing", ABI),
	PLAIN("revocation", revocation,
		"revocation was not checked", KDS),
};
/* clang-format on */

void snp_policy_defaults(struct snp_policy *p)
{
	*p = (struct snp_policy){
		.policy_clear = SNP_POLICY_DEBUG | SNP_POLICY_MIGRATE_MA,
		.platform_clear = SNP_PLATFORM_RESERVED,
		.vlek = true,
		.provisional = true,
	};
}

/* A list that a manifest leaves out is empty there. */
static const struct manifest_digests *unless_empty(
	const struct manifest_digests *l)
{
	return l->n == 0 ? NULL : l;
}

/* The guest's policy: what is tolerated, and what is asked for. */
static void guest_from_manifest(const struct manifest_snp *m,
				struct snp_policy *p)
{
	const struct {
		bool tolerated;
		uint64_t bit;
	} refused[] = {
		{ m->debug, SNP_POLICY_DEBUG },
		{ m->migrate, SNP_POLICY_MIGRATE_MA },
		{ m->smt, SNP_POLICY_SMT },
		{ m->cxl, SNP_POLICY_CXL_ALLOW },
	};

	p->policy_set = m->guest.set;
	p->policy_clear = m->guest.clear;
	for (size_t i = 0; i < countof(refused); i++)
		if (!refused[i].tolerated)
			p->policy_clear |= refused[i].bit;
	p->min_abi_major = m->min_abi_major;
	p->min_abi_minor = m->min_abi_minor;
	p->vmpl = m->vmpl;
	p->min_guest_svn = m->min_guest_svn;
}

static void platform_from_manifest(const struct manifest_snp *m,
				   struct snp_policy *p)
{
	p->min_tcb = (struct snp_tcb){
		.fmc = m->min_fmc,
		.bootloader = m->min_bootloader,
		.tee = m->min_tee,
		.snp = m->min_snp,
		.microcode = m->min_microcode,
	};
	p->min_firmware = (struct snp_firmware){
		.build = m->min_firmware_build,
		.minor = m->min_firmware_minor,
		.major = m->min_firmware_major,
	};
	p->platform_set |= m->platform.set;
	p->platform_clear |= m->platform.clear;
	p->min_version = m->min_report_version;
	p->launch_mit = m->launch_mitigations;
	p->current_mit = m->current_mitigations;
	p->provisional = m->provisional;
}

void snp_policy_from_manifest(const struct manifest_snp *m,
			      struct snp_policy *p)
{
	snp_policy_defaults(p);
	p->products = &m->products;
	p->measurements = &m->measurements;
	p->id_keys = unless_empty(&m->id_key_digests);
	p->author_keys = unless_empty(&m->author_key_digests);
	p->host_data = unless_empty(&m->host_data);
	p->family_ids = unless_empty(&m->family_ids);
	p->image_ids = unless_empty(&m->image_ids);
	p->chips = unless_empty(&m->chip_ids);
	p->denied_chips = unless_empty(&m->denied_chip_ids);
	p->csp_ids = &m->csp_ids;
	p->vlek = m->csp_ids.n > 0;
	p->masked_chip = m->masked_chip_id;
	p->crl = m->crl;
	guest_from_manifest(m, p);
	platform_from_manifest(m, p);
}

bool snp_policy_holds(const struct snp_policy *p, const struct snp_claims *c,
		      struct trace *t)
{
	bool all = true;

	for (size_t i = 0; i < countof(rows); i++) {
		enum outcome o = rows[i].check(p, c, &rows[i], t);

		if (o != NOT_ASKED)
			all &= trace_step(t, &rows[i].rule, o == HOLDS);
	}
	return all;
}
