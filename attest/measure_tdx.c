#include "attest/measure_tdx.h"

#include "core/cleanup.h"

#define CHUNK 256u /* bytes that TDH.MR.EXTEND takes */
#define RECORD 128 /* bytes that describe an operation */

#define CALLING "Calling EFI Application from Boot Option"
#define EXITING "Exit Boot Services Invocation"
#define EXITED "Exit Boot Services Returned with Success"

/* MRTD so far. */
struct mrtd {
	struct hash *h;
};

static void done(struct mrtd *m)
{
	hash_free(m->h);
}

/* An operation's name and the address, in front of its contents. */
static void put_record(struct mrtd *m, struct slice name, uint64_t gpa)
{
	uint8_t record[RECORD] = { 0 };

	memcpy(record, name.p, name.len);
	for (size_t i = 0; i < 8; i++)
		record[16 + i] = (uint8_t)(gpa >> (8 * i));
	hash_add(m->h, slice_of(record));
}

static void add_page(struct mrtd *m, const struct measure_tdvf_section *s,
		     uint64_t at)
{
	if ((s->attributes & MEASURE_TDVF_PAGE_AUG) == 0)
		put_record(m, S("MEM.PAGE.ADD"), s->gpa + at);
}

/* The contents of a page; behind the data there are zeros. */
static void extend_page(struct mrtd *m, const struct measure_tdvf_section *s,
			uint64_t at)
{
	if ((s->attributes & MEASURE_TDVF_MR_EXTEND) == 0)
		return;
	for (uint64_t i = at; i < at + MEASURE_PAGE; i += CHUNK) {
		static const uint8_t zero[CHUNK];
		struct slice data = slice_sub(s->data, (size_t)i, CHUNK);

		put_record(m, S("MR.EXTEND"), s->gpa + i);
		hash_add(m->h, data);
		hash_add(m->h, slice_make(zero, CHUNK - data.len));
	}
}

static void compute_mrtd(const struct measure_tdvf *t,
			 enum measure_tdx_order order,
			 uint8_t out[static MEASURE_TDX_LEN])
{
	__attribute__((cleanup(done))) struct mrtd m = { hash_new(
		HASH_SHA384) };

	for (size_t k = 0; k < t->n_sections; k++) {
		const struct measure_tdvf_section *s = &t->section[k];

		for (uint64_t at = 0; at < s->size; at += MEASURE_PAGE) {
			add_page(&m, s, at);
			if (order == MEASURE_TDX_BY_PAGE)
				extend_page(&m, s, at);
		}
		if (order != MEASURE_TDX_BY_SECTION)
			continue;
		for (uint64_t at = 0; at < s->size; at += MEASURE_PAGE)
			extend_page(&m, s, at);
	}
	hash_finish(m.h, out);
}

/* The next event; digest NULL where it is not known. */
static void put_event(struct measure_tdx *out, unsigned rtmr, const char *what,
		      const uint8_t *digest)
{
	struct measure_tdx_event *e = &out->event[out->n];

	if (out->n == MEASURE_TDX_EVENTS)
		abort(); /* the table of a boot is shorter */
	out->n++;
	*e = (struct measure_tdx_event){ .rtmr = rtmr,
					 .what = what,
					 .known = digest != NULL };
	if (digest != NULL)
		memcpy(e->digest, digest, sizeof(e->digest));
}

static void put_hashed(struct measure_tdx *out, unsigned rtmr, const char *what,
		       struct slice data)
{
	uint8_t digest[MEASURE_TDX_LEN];

	sha384(data, digest);
	put_event(out, rtmr, what, digest);
}

/* RTMR0: the machine as the firmware finds it. */
static enum status put_platform(const struct measure_tdx_case *in,
				const struct measure_tdvf *t,
				struct measure_tdx *out, struct err *err)
{
	const struct measure_tdvf_section *cfv =
		measure_tdvf_find(t, MEASURE_TDVF_CFV);
	uint8_t hob[MEASURE_TDX_LEN];
	static const uint8_t separator[4];

	if (in->memory != 0) {
		TRY(measure_tdx_hob(t, in->memory, hob, err));
		put_event(out, 0, "memory (TD HOB)", hob);
	} else {
		put_event(out, 0, "memory (TD HOB): give --memory", NULL);
	}
	if (cfv != NULL)
		put_hashed(out, 0, "variables' volume (CFV)", cfv->data);
	put_event(out, 0, "secure boot variables", NULL);
	put_hashed(out, 0, "separator", slice_of(separator));
	put_event(out, 0, "ACPI tables: made by the VMM", NULL);
	put_event(out, 0, "boot variables: made by firmware and VMM", NULL);
	return OK;
}

/* RTMR1: the kernel and the steps around its start. */
static void put_kernel(const struct measure_tdx_case *in,
		       struct measure_tdx *out)
{
	static const uint8_t separator[4];

	put_event(out, 1, "kernel", in->kernel);
	put_hashed(out, 1, "start of the boot option", S(CALLING));
	if (in->separator_in_rtmr0)
		put_hashed(out, 0, "separator", slice_of(separator));
	else
		put_hashed(out, 1, "separator", slice_of(separator));
	put_hashed(out, 1, "exit of boot services", S(EXITING));
	put_hashed(out, 1, "exit done", S(EXITED));
}

/* RTMR2, by the kernel's stub: what the firmware gave it as load options, in
 * UTF-16 with a NUL, and the initrd. */
static enum status put_options(const struct measure_tdx_case *in,
			       struct measure_tdx *out, struct err *err)
{
	const char *more = in->has_initrd ? " initrd=initrd" : "";
	auto_buf struct buf wide = buf_make(4 * MEASURE_TDX_CMDLINE);
	size_t len = strlen(in->cmdline);

	if (len > MEASURE_TDX_CMDLINE)
		return err_set(err, E_LIMIT,
			       "command line: expected at most %d characters, "
			       "found %zu",
			       MEASURE_TDX_CMDLINE, len);
	for (size_t i = 0; i < len + strlen(more) + 1; i++) {
		char c = i < len ? in->cmdline[i] : more[i - len];

		if ((unsigned char)c > 0x7e || (c < 0x20 && c != '\0'))
			return err_set(err, E_PARSE,
				       "command line: expected printable "
				       "ASCII, found another character");
		buf_put_u8(&wide, (uint8_t)c);
		buf_put_u8(&wide, 0);
	}
	TRY(buf_check(&wide, "command line", err));
	put_hashed(out, 2, "command line", buf_slice(&wide));
	if (in->has_initrd)
		put_event(out, 2, "initrd", in->initrd);
	return OK;
}

static void extend(uint8_t value[static MEASURE_TDX_LEN], struct slice digest)
{
	const struct slice parts[] = { slice_make(value, MEASURE_TDX_LEN),
				       digest };

	hash_parts(HASH_SHA384, parts, countof(parts), value);
}

/* A register is known when all events that lead to it are. */
static void replay(struct measure_tdx *out, unsigned rtmr)
{
	size_t n = 0;

	memset(out->rtmr[rtmr], 0, MEASURE_TDX_LEN);
	out->known[rtmr] = true;
	for (size_t i = 0; i < out->n; i++) {
		if (out->event[i].rtmr != rtmr)
			continue;
		out->known[rtmr] = out->known[rtmr] && out->event[i].known;
		extend(out->rtmr[rtmr], slice_of(out->event[i].digest));
		n++;
	}
	out->known[rtmr] = out->known[rtmr] && n > 0;
	if (!out->known[rtmr])
		memset(out->rtmr[rtmr], 0, MEASURE_TDX_LEN);
}

/* RTMR0 as the log has it, but memory and variables as they are computed:
 * those are the first two of the events put. */
static enum status replay_log(const struct measure_tdx_case *in,
			      struct measure_tdx *out, struct err *err)
{
	static const uint32_t types[] = { 0x8000000b, 0x8000000a };
	size_t replaced[countof(types)] = { 0 };

	if (in->log->kind == EVENTLOG_TPM)
		return err_set(err, E_PARSE,
			       "event log: expected one of TDX, found one of "
			       "a TPM");
	for (size_t i = 0; i < in->log->n; i++) {
		const struct eventlog_event *e = &in->log->event[i];
		struct slice digest = e->digest[0];

		if (e->mr != 1 || e->type == EVENTLOG_NO_ACTION)
			continue;
		for (size_t k = 0; k < countof(types); k++)
			if (types[k] == e->type) {
				digest = slice_of(out->event[k].digest);
				replaced[k]++;
			}
		extend(out->rtmr[0], digest);
	}
	if (replaced[0] != 1 || replaced[1] != 1)
		return err_set(err, E_PARSE,
			       "event log: expected one event each for memory "
			       "and variables in RTMR0, found %zu and %zu",
			       replaced[0], replaced[1]);
	out->known[0] = true;
	return OK;
}

enum status measure_tdx_registers(const struct measure_tdx_case *in,
				  struct measure_tdx *out, struct err *err)
{
	struct measure_tdvf t;
	struct measure_tdx m = { 0 };

	TRY(measure_tdvf_parse(in->firmware, &t, err));
	compute_mrtd(&t, in->order, m.mrtd);
	if (!in->td_shim) {
		TRY(put_platform(in, &t, &m, err));
		if (in->has_kernel) {
			put_kernel(in, &m);
			TRY(put_options(in, &m, err));
		}
		for (unsigned i = 0; i < MEASURE_TDX_RTMRS; i++)
			replay(&m, i);
		if (in->log != NULL && m.event[0].known && m.event[1].known)
			TRY(replay_log(in, &m, err));
	}
	*out = m;
	return OK;
}
