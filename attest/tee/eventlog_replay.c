/* From events to registers, from registers to a verdict, and what of an
 * event's data its digest proves. */
#include "attest/tee/eventlog.h"
#include "core/cleanup.h"

/* clang-format off */
/* What the digest of a type is of (TCG PFP, table 27 and 10.4). */
enum hashes {
	OTHER,	  /* something that is not in the log: an image, a table */
	MAYBE,	  /* firmware differs: the data, or something else */
	DATA,	  /* the data */
	VARIABLE, /* the data, which are a variable, or its value alone */
	LINE,	  /* a boot loader's line, as it writes it or without prefix */
};

static const struct { uint32_t type; enum hashes of; const char *name; }
types[] = {
	{ 0x00000000, OTHER, "EV_PREBOOT_CERT" },
	{ 0x00000001, MAYBE, "EV_POST_CODE" },
	{ 0x00000003, OTHER, "EV_NO_ACTION" },
	{ 0x00000004, DATA, "EV_SEPARATOR" },
	{ 0x00000005, DATA, "EV_ACTION" },
	/* Linux hashes what the tag stands for, not the tag. */
	{ 0x00000006, MAYBE, "EV_EVENT_TAG" },
	{ 0x00000007, MAYBE, "EV_S_CRTM_CONTENTS" },
	{ 0x00000008, DATA, "EV_S_CRTM_VERSION" },
	{ 0x00000009, MAYBE, "EV_CPU_MICROCODE" },
	/* edk2 hashes an ACPI table and writes "ACPI DATA". */
	{ 0x0000000a, MAYBE, "EV_PLATFORM_CONFIG_FLAGS" },
	{ 0x0000000b, MAYBE, "EV_TABLE_OF_DEVICES" },
	{ 0x0000000c, MAYBE, "EV_COMPACT_HASH" },
	{ 0x0000000d, LINE, "EV_IPL" },
	{ 0x0000000e, MAYBE, "EV_IPL_PARTITION_DATA" },
	{ 0x0000000f, OTHER, "EV_NONHOST_CODE" },
	{ 0x00000010, MAYBE, "EV_NONHOST_CONFIG" },
	{ 0x00000011, MAYBE, "EV_NONHOST_INFO" },
	{ 0x00000012, MAYBE, "EV_OMIT_BOOT_DEVICE_EVENTS" },
	{ EVENTLOG_DSTACK, OTHER, "dstack" }, /* checked as it was read */
	{ 0x80000001, DATA, "EV_EFI_VARIABLE_DRIVER_CONFIG" },
	{ 0x80000002, VARIABLE, "EV_EFI_VARIABLE_BOOT" },
	{ 0x80000003, OTHER, "EV_EFI_BOOT_SERVICES_APPLICATION" },
	{ 0x80000004, OTHER, "EV_EFI_BOOT_SERVICES_DRIVER" },
	{ 0x80000005, OTHER, "EV_EFI_RUNTIME_SERVICES_DRIVER" },
	{ 0x80000006, DATA, "EV_EFI_GPT_EVENT" },
	{ 0x80000007, DATA, "EV_EFI_ACTION" },
	{ 0x80000008, OTHER, "EV_EFI_PLATFORM_FIRMWARE_BLOB" },
	{ 0x80000009, OTHER, "EV_EFI_HANDOFF_TABLES" },
	{ 0x8000000a, OTHER, "EV_EFI_PLATFORM_FIRMWARE_BLOB2" },
	{ 0x8000000b, OTHER, "EV_EFI_HANDOFF_TABLES2" },
	{ 0x8000000c, DATA, "EV_EFI_VARIABLE_BOOT2" },
	{ 0x8000000d, MAYBE, "EV_EFI_GPT_EVENT2" },
	{ 0x80000010, MAYBE, "EV_EFI_HCRTM_EVENT" },
	{ 0x800000e0, DATA, "EV_EFI_VARIABLE_AUTHORITY" },
	{ 0x800000e1, OTHER, "EV_EFI_SPDM_FIRMWARE_BLOB" },
	{ 0x800000e2, OTHER, "EV_EFI_SPDM_FIRMWARE_CONFIG" },
	{ 0x800000e3, MAYBE, "EV_EFI_SPDM_DEVICE_POLICY" },
	{ 0x800000e4, MAYBE, "EV_EFI_SPDM_DEVICE_AUTHORITY" },
};

/* What GRUB writes in front of the line that it hashed. */
static const struct slice prefixes[] = {
	S_INIT("grub_cmd: "), S_INIT("kernel_cmdline: "),
	S_INIT("module_cmdline: "), S_INIT("grub_cmd "),
	S_INIT("grub_kernel_cmdline "),
};

static const struct { uint16_t id; enum hash_alg alg; } banks[] = {
	{ EVENTLOG_SHA256, HASH_SHA256 },
	{ EVENTLOG_SHA384, HASH_SHA384 },
	{ EVENTLOG_SHA512, HASH_SHA512 },
};

#define PFP "TCG PC Client Platform Firmware Profile 1.06, "

static const struct trace_rule rule_replay = {
	"eventlog.replay", E_PARSE,
	"the event log is not one of registers like the quote's", PFP "10.2" };

static const struct trace_rule rule_data = {
	"eventlog.data", E_CRYPTO,
	"the event log's data are not what was measured", PFP "10.4" };

#define RTMR_RULE(n) \
	{ "eventlog.rtmr" n, E_CRYPTO, \
	  "the event log does not lead to RTMR" n " of the quote", \
	  "UEFI 2.10, 38.4.1" }
static const struct trace_rule rule_rtmr[EVENTLOG_RTMRS] = {
	RTMR_RULE("0"), RTMR_RULE("1"), RTMR_RULE("2"), RTMR_RULE("3"),
};

static const struct trace_rule rule_pcr = {
	"eventlog.pcr", E_CRYPTO,
	"the event log does not lead to a PCR of the quote", PFP "10.2" };
/* clang-format on */

const char *eventlog_type_name(uint32_t type)
{
	for (size_t i = 0; i < countof(types); i++)
		if (types[i].type == type)
			return types[i].name;
	return NULL;
}

/* Of a type that nobody listed, nothing is said. */
static enum hashes hashes_of(uint32_t type)
{
	for (size_t i = 0; i < countof(types); i++)
		if (types[i].type == type)
			return types[i].of;
	return MAYBE;
}

/* The digest of an event in a bank; empty where there is no such bank. */
static struct slice digest_in(const struct eventlog *l,
			      const struct eventlog_event *e, enum hash_alg alg)
{
	for (size_t i = 0; i < l->n_algs; i++)
		for (size_t k = 0; k < countof(banks); k++)
			if (banks[k].alg == alg && banks[k].id == l->alg[i].id)
				return e->digest[i];
	return (struct slice){ 0 };
}

static bool hashes_to(struct slice data, enum hash_alg alg, struct slice want)
{
	uint8_t found[HASH_MAX];

	hash_parts(alg, &data, 1, found);
	return want.len == hash_len(alg) &&
	       memcmp(found, want.p, want.len) == 0;
}

/* The value of a variable (UEFI_VARIABLE_DATA): what follows its vendor's
 * GUID, two lengths, and its name in UTF-16. */
static struct slice variable_value(struct slice data)
{
	struct cursor c = cursor_make(data);

	(void)cursor_bytes(&c, 16);
	uint64_t name = cursor_u64le(&c);
	uint64_t value = cursor_u64le(&c);
	if (c.bad || name > c.rest.len / 2 || c.rest.len - 2 * name != value)
		return (struct slice){ 0 };
	return slice_from(c.rest, (size_t)name * 2);
}

/* A line without the NUL behind it and what GRUB put in front of it. */
static struct slice line_text(struct slice data)
{
	struct slice line = data;

	if (line.len > 0 && line.p[line.len - 1] == '\0')
		line.len--;
	for (size_t i = 0; i < countof(prefixes); i++)
		if (slice_starts(line, prefixes[i]))
			return slice_from(line, prefixes[i].len);
	return line;
}

struct slice eventlog_event_proven(const struct eventlog *l,
				   const struct eventlog_event *e,
				   enum hash_alg alg)
{
	struct slice want = digest_in(l, e, alg);
	struct slice part = { 0 };

	if (e->type == EVENTLOG_NO_ACTION || want.len == 0)
		return part;
	if (e->type == EVENTLOG_DSTACK && l->kind == EVENTLOG_JSON)
		return e->data;
	if (hashes_of(e->type) == OTHER)
		return part;
	if (hashes_to(e->data, alg, want))
		return e->data;
	if (hashes_of(e->type) == VARIABLE)
		part = variable_value(e->data);
	else if (hashes_of(e->type) == LINE)
		part = line_text(e->data);
	if (part.len > 0 && hashes_to(part, alg, want))
		return part;
	return (struct slice){ 0 };
}

bool eventlog_event_honest(const struct eventlog *l,
			   const struct eventlog_event *e, enum hash_alg alg)
{
	static const uint8_t one[4] = { 1 };
	enum hashes of = hashes_of(e->type);
	struct slice want = digest_in(l, e, alg);

	if (l->kind == EVENTLOG_JSON || want.len == 0)
		return true; /* it leaves data out; its own were checked */
	if (of != DATA && of != VARIABLE)
		return true;
	if (hashes_to(e->data, alg, want))
		return true;
	/* After an error the separator is 1, and its data say why. */
	if (e->type == EVENTLOG_SEPARATOR)
		return hashes_to(slice_of(one), alg, want);
	return eventlog_event_proven(l, e, alg).len > 0 ||
	       (of == VARIABLE &&
		hashes_to(variable_value(e->data), alg, want));
}

/* EV_NO_ACTION "StartupLocality": PCR 0 starts from it. */
static enum status read_locality(const struct eventlog_event *e,
				 struct eventlog_registers *r, bool *told,
				 struct err *err)
{
	struct slice name = S("StartupLocality\0");

	if (e->mr != 0 || !slice_starts(e->data, name))
		return OK;
	uint8_t at = e->data.len == name.len + 1 ? e->data.p[name.len] : 0xff;
	if (*told || r->reg[0].events > 0 || (at != 0 && at != 3 && at != 4))
		return err_set(err, E_PARSE,
			       "event log: expected the locality of the "
			       "start, 0, 3 or 4, once and before PCR 0 is "
			       "extended, found it otherwise");
	*told = true;
	r->locality = at;
	r->reg[0].value[hash_len(r->alg) - 1] = at;
	return OK;
}

/* The register that an event extends. */
static enum status pick(const struct eventlog *l,
			const struct eventlog_event *e, size_t *at,
			struct err *err)
{
	if (l->kind != EVENTLOG_TPM && e->mr == 0)
		return err_set(err, E_PARSE,
			       "event log: an event extends MRTD, which "
			       "nothing can do");
	if (l->kind == EVENTLOG_TPM && e->mr >= 17 && e->mr <= 22)
		return err_set(err, E_PARSE,
			       "event log: an event extends PCR %u, which "
			       "belongs to a late launch",
			       e->mr);
	*at = l->kind == EVENTLOG_TPM ? e->mr : e->mr - 1;
	return OK;
}

static void extend(struct eventlog_registers *r, size_t at, struct slice digest)
{
	const struct slice parts[] = {
		slice_make(r->reg[at].value, hash_len(r->alg)), digest
	};

	hash_parts(r->alg, parts, countof(parts), r->reg[at].value);
	r->reg[at].events++;
}

static bool has_bank(const struct eventlog *l, enum hash_alg alg)
{
	for (size_t i = 0; i < l->n_algs; i++)
		for (size_t k = 0; k < countof(banks); k++)
			if (banks[k].alg == alg && banks[k].id == l->alg[i].id)
				return true;
	return false;
}

enum status eventlog_replay(const struct eventlog *l, enum hash_alg alg,
			    struct eventlog_registers *out, struct err *err)
{
	struct eventlog_registers r = {
		.alg = alg,
		.n = l->kind == EVENTLOG_TPM ? EVENTLOG_PCRS : EVENTLOG_RTMRS,
	};
	bool told = false;

	if (!has_bank(l, alg))
		return err_set(err, E_NOTFOUND,
			       "event log: it has no digests of this "
			       "algorithm");
	for (size_t i = 0; i < l->n; i++) {
		const struct eventlog_event *e = &l->event[i];
		size_t at = 0;

		if (e->type == EVENTLOG_NO_ACTION) {
			if (l->kind == EVENTLOG_TPM)
				TRY(read_locality(e, &r, &told, err));
			continue;
		}
		TRY(pick(l, e, &at, err));
		extend(&r, at, digest_in(l, e, alg));
	}
	*out = r;
	return OK;
}

static bool extends(const struct eventlog *l, uint32_t mr)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->event[i].mr == mr &&
		    l->event[i].type != EVENTLOG_NO_ACTION)
			return true;
	return false;
}

unsigned eventlog_told(const struct eventlog *l,
		       const uint8_t rtmr[static EVENTLOG_RTMRS][48])
{
	if (l->kind != EVENTLOG_CC || extends(l, EVENTLOG_RTMRS) ||
	    all_zero(rtmr[3], sizeof(rtmr[3])))
		return 0xf;
	return 0x7;
}

/* The registers by a log of the right kind: a step in any case, so that a log
 * that says nothing is not taken for one that agrees. */
static enum status step_replay(const struct eventlog *l, bool tpm,
			       enum hash_alg alg, struct trace *t,
			       struct eventlog_registers *out, struct err *err)
{
	enum status status = OK;

	trace_expect(t, "a log of %s registers", tpm ? "a TPM's" : "TDX's");
	if ((l->kind == EVENTLOG_TPM) != tpm)
		status = err_set(err, E_PARSE,
				 "event log: expected one of %s, found one of "
				 "%s",
				 tpm ? "a TPM" : "TDX", tpm ? "TDX" : "a TPM");
	if (status == OK)
		status = eventlog_replay(l, alg, out, err);
	if (status != OK) {
		trace_step_err(t, &rule_replay, err);
		return status;
	}
	trace_find(t, "the same");
	(void)trace_step(t, &rule_replay, true);
	return OK;
}

/* Every event is honest; says which is not. */
static bool step_data(const struct eventlog *l, enum hash_alg alg,
		      struct trace *t)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct eventlog_event *e = &l->event[i];

		if (eventlog_event_honest(l, e, alg))
			continue;
		trace_expect(t, "digests of the data where the type says so");
		trace_find(t, "another in event %zu (%s)", i + 1,
			   eventlog_type_name(e->type));
		return trace_step(t, &rule_data, false);
	}
	trace_find(t, "%zu events", l->n);
	return trace_step(t, &rule_data, true);
}

enum status eventlog_verify_rtmrs(const struct eventlog *l,
				  const uint8_t rtmr[static EVENTLOG_RTMRS][48],
				  unsigned registers, struct trace *t,
				  struct err *err)
{
	struct eventlog_registers r;
	enum status status = OK;

	TRY(step_replay(l, false, HASH_SHA384, t, &r, err));
	if (!step_data(l, HASH_SHA384, t))
		status = rule_data.code;
	for (unsigned i = 0; i < EVENTLOG_RTMRS; i++)
		if ((registers >> i & 1) != 0 &&
		    !trace_step_bytes(t, &rule_rtmr[i], slice_of(rtmr[i]),
				      slice_make(r.reg[i].value, 48)))
			status = rule_rtmr[i].code;
	if (status != OK)
		return trace_error(t, err);
	return OK;
}

enum status eventlog_verify_pcrs(const struct eventlog *l, enum hash_alg alg,
				 const struct slice pcr[static EVENTLOG_PCRS],
				 unsigned registers, struct trace *t,
				 struct err *err)
{
	struct eventlog_registers r;
	enum status status = OK;

	TRY(step_replay(l, true, alg, t, &r, err));
	if (!step_data(l, alg, t))
		status = rule_data.code;
	for (unsigned i = 0; i < EVENTLOG_PCRS; i++) {
		struct slice found = slice_make(r.reg[i].value, hash_len(alg));

		if ((registers >> i & 1) == 0)
			continue;
		trace_expect(t, "PCR %u ", i);
		if (!trace_step_bytes(t, &rule_pcr, pcr[i], found))
			status = rule_pcr.code;
	}
	if (status != OK)
		return trace_error(t, err);
	return OK;
}
