/* confd measure: what the hardware will report of a guest, from the files that
 * it is started with. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "attest/measure_pe.h"
#include "attest/measure_snp.h"
#include "attest/measure_tdx.h"
#include "cmd/applet.h"
#include "cmd/ask.h"
#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/json.h"
#include "core/text.h"

#define KERNEL_MAX (512u << 20) /* bytes; it is hashed in parts */
#define READ_LEN (256u << 10)	/* bytes at a time of what is only hashed */

/* Options that both have. */
struct guest_opts {
	const char *ovmf;
	const char *kernel;
	const char *initrd;
	const char *cmdline;
	bool json;
};

#define GUEST_CMDLINE(type)                                                  \
	{                                                                    \
		.name = "cmdline", .arg = "TEXT",                            \
		.help = "the kernel's command line, as -append gives it",    \
		.fallback = "", .kind = OPT_STR, OPT_AT(type, guest.cmdline) \
	}
#define GUEST_INITRD(type)                                                  \
	{                                                                   \
		.name = "initrd", .arg = "FILE",                            \
		.help = "the initrd, as -initrd gives it", .kind = OPT_STR, \
		OPT_AT(type, guest.initrd)                                  \
	}
#define GUEST_JSON(type)                                                \
	{                                                               \
		.name = "json", .help = "print JSON", .kind = OPT_FLAG, \
		OPT_AT(type, guest.json)                                \
	}
#define GUEST_KERNEL(type)                                                  \
	{                                                                   \
		.name = "kernel", .arg = "FILE",                            \
		.help = "the kernel, as -kernel gives it", .kind = OPT_STR, \
		OPT_AT(type, guest.kernel)                                  \
	}

struct snp_opts {
	struct common_opts common;
	struct guest_opts guest;
	const char *features;
	const char *vcpu_type;
	const char *vcpu_signature;
	const char *vmm;
	uint64_t vcpus;
};

static const struct opt snp_rows[] = {
	GUEST_CMDLINE(struct snp_opts),
	{ .name = "guest-features",
	  .arg = "HEX",
	  .help = "SEV features that the VMM turns on",
	  .fallback = "1",
	  .kind = OPT_STR,
	  OPT_AT(struct snp_opts, features) },
	GUEST_INITRD(struct snp_opts),
	GUEST_JSON(struct snp_opts),
	GUEST_KERNEL(struct snp_opts),
	{ .name = "ovmf",
	  .arg = "FILE",
	  .help = "the firmware image",
	  .kind = OPT_STR,
	  .flags = OPT_REQUIRED,
	  OPT_AT(struct snp_opts, guest.ovmf) },
	{ .name = "vcpu-signature",
	  .arg = "HEX",
	  .help = "CPUID 1 EAX of a processor, instead of its type",
	  .kind = OPT_STR,
	  OPT_AT(struct snp_opts, vcpu_signature) },
	{ .name = "vcpu-type",
	  .arg = "NAME",
	  .help = "QEMU's type of processor, such as EPYC-v4",
	  .kind = OPT_STR,
	  OPT_AT(struct snp_opts, vcpu_type) },
	{ .name = "vcpus",
	  .arg = "N",
	  .help = "how many processors it starts with",
	  .kind = OPT_U64,
	  .flags = OPT_REQUIRED,
	  .min = 1,
	  .max = MEASURE_SNP_VCPUS,
	  OPT_AT(struct snp_opts, vcpus) },
	{ .name = "vmm",
	  .arg = "NAME",
	  .help = "who starts it: qemu, ec2 or gce",
	  .fallback = "qemu",
	  .kind = OPT_STR,
	  OPT_AT(struct snp_opts, vmm) },
};

struct tdx_opts {
	struct common_opts common;
	struct guest_opts guest;
	const char *event_log;
	const char *memory;
	const char *order;
	const char *separator;
	const char *td_shim;
	bool patched;
};

static const struct opt tdx_rows[] = {
	GUEST_CMDLINE(struct tdx_opts),
	{ .name = "event-log",
	  .arg = "FILE",
	  .help = "log of a boot you trust, for what the VMM decides in RTMR0",
	  .kind = OPT_STR,
	  OPT_AT(struct tdx_opts, event_log) },
	GUEST_INITRD(struct tdx_opts),
	GUEST_JSON(struct tdx_opts),
	GUEST_KERNEL(struct tdx_opts),
	{ .name = "memory",
	  .arg = "SIZE",
	  .help = "memory as -m gives it: MiB, or with M or G",
	  .kind = OPT_STR,
	  OPT_AT(struct tdx_opts, memory) },
	{ .name = "order",
	  .arg = "HOW",
	  .help = "how the VMM adds the firmware: page or section",
	  .fallback = "page",
	  .kind = OPT_STR,
	  OPT_AT(struct tdx_opts, order) },
	{ .name = "ovmf",
	  .arg = "FILE",
	  .help = "the firmware image",
	  .kind = OPT_STR,
	  OPT_AT(struct tdx_opts, guest.ovmf) },
	{ .name = "patched-header",
	  .help = "the VMM fills in the kernel's setup header (older QEMU)",
	  .kind = OPT_FLAG,
	  OPT_AT(struct tdx_opts, patched) },
	{ .name = "separator",
	  .arg = "REGISTER",
	  .help = "where OVMF puts its last separator: rtmr1 or rtmr0 (older)",
	  .fallback = "rtmr1",
	  .kind = OPT_STR,
	  OPT_AT(struct tdx_opts, separator) },
	{ .name = "td-shim",
	  .arg = "FILE",
	  .help = "the image of td-shim, instead of OVMF",
	  .kind = OPT_STR,
	  OPT_AT(struct tdx_opts, td_shim) },
};

/* Digest of a file that need not fit into memory; len may be NULL. */
static enum status hash_file(const char *path, enum hash_alg alg, uint8_t *out,
			     uint64_t *len, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "open %s", path);
	auto_mem uint8_t *part = mem_must(READ_LEN);
	struct hash *h = hash_new(alg);
	ssize_t got = 0;
	uint64_t total = 0;

	do {
		got = read(fd, part, READ_LEN);
		if (got > 0) {
			hash_add(h, slice_make(part, (size_t)got));
			total += (uint64_t)got;
		}
	} while (got > 0 || (got < 0 && errno == EINTR));
	hash_finish(h, out);
	hash_free(h);
	if (got < 0)
		return err_errno(err, "read %s", path);
	if (len != NULL)
		*len = total;
	return OK;
}

/* Lower- or upper-case hex, with or without 0x. */
static enum status parse_hex(const char *text, const char *what, uint64_t max,
			     uint64_t *out, struct err *err)
{
	const char *digits = strncmp(text, "0x", 2) == 0 ? text + 2 : text;
	size_t n = strspn(digits, "0123456789abcdefABCDEF");

	if (n == 0 || n > 16 || digits[n] != '\0')
		return err_set(err, E_USAGE, "--%s: expected hex, found '%s'",
			       what, text);
	uint64_t v = strtoull(digits, NULL, 16);
	if (v > max)
		return err_set(err, E_USAGE,
			       "--%s: expected at most %#llx, found '%s'", what,
			       (unsigned long long)max, text);
	*out = v;
	return OK;
}

/* "2048", "2048M" and "2G" are the same. */
static enum status parse_memory(const char *text, uint64_t *out,
				struct err *err)
{
	struct slice s = slice_str(text);
	unsigned shift = 20;
	uint64_t v = 0;

	if (s.len > 0 && s.p[s.len - 1] == 'G')
		shift = 30;
	if (s.len > 0 && (s.p[s.len - 1] == 'G' || s.p[s.len - 1] == 'M'))
		s.len--;
	if (!slice_u64(s, &v) || v == 0 || v > UINT64_C(1) << 26)
		return err_set(err, E_USAGE,
			       "--memory: expected MiB, or a number with M or "
			       "G, found '%s'",
			       text);
	*out = v << shift;
	return OK;
}

/* One of two words; the second gives true. */
static enum status pick(const char *option, const char *given,
			const char *first, const char *second, bool *out,
			struct err *err)
{
	*out = strcmp(given, second) == 0;
	if (*out || strcmp(given, first) == 0)
		return OK;
	return err_set(err, E_USAGE, "--%s: expected %s or %s, found '%s'",
		       option, first, second, given);
}

static enum status check_guest(const struct guest_opts *g, struct err *err)
{
	if (g->kernel != NULL)
		return OK;
	if (g->initrd != NULL || g->cmdline[0] != '\0')
		return err_set(err, E_USAGE,
			       "--initrd and --cmdline belong to a --kernel");
	return OK;
}

/* snp */

static enum status vcpu_of(const struct snp_opts *o, uint32_t *out,
			   struct err *err)
{
	uint64_t v = 0;
	auto_buf struct buf known = buf_make(512);

	if ((o->vcpu_type != NULL) == (o->vcpu_signature != NULL))
		return err_set(err, E_USAGE,
			       "expected --vcpu-type or --vcpu-signature: the "
			       "processor's type is part of the measurement");
	if (o->vcpu_signature != NULL) {
		TRY(parse_hex(o->vcpu_signature, "vcpu-signature", UINT32_MAX,
			      &v, err));
		*out = (uint32_t)v;
		return OK;
	}
	if (measure_snp_vcpu(o->vcpu_type, out))
		return OK;
	for (size_t i = 0; measure_snp_vcpu_name(i) != NULL; i++)
		buf_putf(&known, "%s%s", i == 0 ? "" : ", ",
			 measure_snp_vcpu_name(i));
	return err_set(err, E_USAGE,
		       "--vcpu-type: expected one of %s (with -vN), found "
		       "'%s'; --vcpu-signature takes any",
		       buf_cstr(&known), o->vcpu_type);
}

/* What the VMM hashes for the firmware to compare. */
static enum status hash_boot(const struct guest_opts *g,
			     struct measure_snp_case *in, struct err *err)
{
	if (g->kernel == NULL)
		return OK;
	in->has_kernel = true;
	TRY(hash_file(g->kernel, HASH_SHA256, in->kernel, NULL, err));
	if (g->initrd != NULL)
		TRY(hash_file(g->initrd, HASH_SHA256, in->initrd, NULL, err));
	else
		sha256((struct slice){ 0 }, in->initrd);
	sha256(slice_make(g->cmdline, strlen(g->cmdline) + 1), in->cmdline);
	return OK;
}

static void print_snp(const struct snp_opts *o,
		      const struct measure_snp_case *in,
		      const uint8_t digest[static MEASURE_SNP_LEN])
{
	auto_buf struct buf out = buf_make(4096);
	struct json_out w = { .buf = &out };
	char hex[2 * MEASURE_SNP_LEN + 1];

	text_hex_into(hex, sizeof(hex), slice_make(digest, MEASURE_SNP_LEN));
	if (!o->guest.json) {
		printf("measurement %s\n", hex);
		return;
	}
	json_open_object(&w, NULL);
	json_put_cstr(&w, "tee", "snp");
	json_put_cstr(&w, "measurement", hex);
	json_put_cstr(&w, "vmm", o->vmm);
	json_put_u64(&w, "vcpus", in->vcpus);
	json_put_u64(&w, "vcpu_signature", in->vcpu_signature);
	json_put_u64(&w, "guest_features", in->features);
	json_put_bool(&w, "kernel_hashes", in->has_kernel);
	json_close_object(&w);
	printf("%s\n", buf_cstr(&out));
}

static enum status run_snp(void *opts, const struct opt_args *args,
			   struct err *err)
{
	const struct snp_opts *o = opts;
	auto_buf struct buf ovmf = buf_make(MEASURE_OVMF_MAX);
	struct measure_snp_case in = { .vcpus = (uint32_t)o->vcpus };
	uint8_t digest[MEASURE_SNP_LEN];

	(void)args;
	TRY(check_guest(&o->guest, err));
	if (!measure_snp_vmm(o->vmm, &in.vmm))
		return err_set(err, E_USAGE,
			       "--vmm: expected qemu, ec2 or gce, found '%s'",
			       o->vmm);
	TRY(vcpu_of(o, &in.vcpu_signature, err));
	TRY(parse_hex(o->features, "guest-features", UINT64_MAX, &in.features,
		      err));
	TRY(ask_read(o->guest.ovmf, &ovmf, err));
	in.ovmf = buf_slice(&ovmf);
	TRY(hash_boot(&o->guest, &in, err));
	if (measure_snp_digest(&in, digest, err) != OK)
		return err_wrap(err, "%s", o->guest.ovmf);
	print_snp(o, &in, digest);
	return OK;
}

/* tdx */

static enum status hash_kernel(const struct tdx_opts *o, uint64_t initrd_len,
			       struct measure_tdx_case *in, struct err *err)
{
	auto_buf struct buf kernel = buf_make(KERNEL_MAX);
	uint8_t head[MEASURE_PE_HEAD];
	struct slice changed = { 0 };

	TRY(ask_read(o->guest.kernel, &kernel, err));
	if (o->patched && in->memory == 0)
		return err_set(err, E_USAGE,
			       "--patched-header: expected --memory too: the "
			       "place of the initrd depends on it");
	if (o->patched) {
		TRY(measure_pe_linux_head(buf_slice(&kernel), initrd_len,
					  in->memory, head, err));
		changed = slice_of(head);
	}
	if (measure_pe_sha384(buf_slice(&kernel), changed, in->kernel, err) !=
	    OK)
		return err_wrap(err, "%s", o->guest.kernel);
	in->has_kernel = true;
	return OK;
}

static enum status hash_payload(const struct tdx_opts *o,
				struct measure_tdx_case *in, struct err *err)
{
	uint64_t initrd_len = 0;

	if (o->guest.kernel == NULL)
		return OK;
	if (o->guest.initrd != NULL) {
		TRY(hash_file(o->guest.initrd, HASH_SHA384, in->initrd,
			      &initrd_len, err));
		in->has_initrd = true;
	}
	return hash_kernel(o, initrd_len, in, err);
}

/* What the words of the command line say. */
static enum status read_choices(const struct tdx_opts *o,
				struct measure_tdx_case *in, struct err *err)
{
	bool by_section = false;

	if ((o->guest.ovmf != NULL) == (o->td_shim != NULL))
		return err_set(err, E_USAGE,
			       "expected --ovmf or --td-shim: the firmware is "
			       "what is measured first");
	if (o->td_shim != NULL && o->guest.kernel != NULL)
		return err_set(err, E_USAGE,
			       "--kernel: expected --ovmf: what td-shim "
			       "measures of a kernel is not computed here");
	TRY(pick("order", o->order, "page", "section", &by_section, err));
	TRY(pick("separator", o->separator, "rtmr1", "rtmr0",
		 &in->separator_in_rtmr0, err));
	in->order = by_section ? MEASURE_TDX_BY_SECTION : MEASURE_TDX_BY_PAGE;
	in->td_shim = o->td_shim != NULL;
	in->cmdline = o->guest.cmdline;
	if (o->memory != NULL)
		TRY(parse_memory(o->memory, &in->memory, err));
	return OK;
}

static enum status read_log(const char *path, struct buf *raw,
			    struct eventlog *log, struct err *err)
{
	TRY(ask_read(path, raw, err));
	if (slice_starts(slice_trim(buf_slice(raw)), S("[")))
		return eventlog_parse_json(buf_slice(raw), log, err);
	return eventlog_parse(buf_slice(raw), EVENTLOG_CC, log, err);
}

static void write_tdx(const struct measure_tdx *m, struct json_out *w)
{
	static const char *const names[] = { "0", "1", "2" };

	json_open_object(w, NULL);
	json_put_cstr(w, "tee", "tdx");
	json_put_hex(w, "mrtd", slice_of(m->mrtd));
	json_open_object(w, "rtmrs");
	for (size_t i = 0; i < MEASURE_TDX_RTMRS; i++)
		if (m->known[i])
			json_put_hex(w, names[i], slice_of(m->rtmr[i]));
	json_close_object(w);
	json_open_array(w, "events");
	for (size_t i = 0; i < m->n; i++) {
		json_open_object(w, NULL);
		json_put_u64(w, "rtmr", m->event[i].rtmr);
		json_put_cstr(w, "event", m->event[i].what);
		if (m->event[i].known)
			json_put_hex(w, "digest", slice_of(m->event[i].digest));
		json_close_object(w);
	}
	json_close_array(w);
	json_close_object(w);
}

/* The events that lead to a register. */
static void print_events(const struct measure_tdx *m, unsigned rtmr)
{
	char hex[2 * MEASURE_TDX_LEN + 1];

	for (size_t i = 0; i < m->n; i++) {
		const struct measure_tdx_event *e = &m->event[i];

		if (e->rtmr != rtmr)
			continue;
		text_hex_into(hex, sizeof(hex), slice_of(e->digest));
		printf("      %s  %s\n", e->known ? hex : "not known", e->what);
	}
}

/* Why a register is not determined as a whole. */
static const char *why_not(const struct tdx_opts *o, unsigned rtmr)
{
	if (o->td_shim != NULL)
		return "not determined: td-shim's steps are not computed here";
	if (rtmr == 0)
		return "not determined: the VMM's ACPI tables and boot "
		       "variables are in it";
	return "not determined: no --kernel";
}

static void print_tdx(const struct tdx_opts *o, const struct measure_tdx *m)
{
	char hex[2 * MEASURE_TDX_LEN + 1];

	text_hex_into(hex, sizeof(hex), slice_of(m->mrtd));
	printf("mrtd  %s\n", hex);
	for (unsigned i = 0; i < MEASURE_TDX_RTMRS; i++) {
		text_hex_into(hex, sizeof(hex), slice_of(m->rtmr[i]));
		printf("rtmr%u %s\n", i, m->known[i] ? hex : why_not(o, i));
		if (o->common.verbose)
			print_events(m, i);
	}
}

static enum status run_tdx(void *opts, const struct opt_args *args,
			   struct err *err)
{
	const struct tdx_opts *o = opts;
	const char *path = o->td_shim != NULL ? o->td_shim : o->guest.ovmf;
	auto_buf struct buf firmware = buf_make(MEASURE_OVMF_MAX);
	auto_buf struct buf raw_log = buf_make(EVENTLOG_MAX);
	auto_buf struct buf text = buf_make(16u << 10);
	auto_eventlog struct eventlog log = { 0 };
	struct json_out w = { .buf = &text };
	struct measure_tdx_case in = { 0 };
	struct measure_tdx out;

	(void)args;
	TRY(check_guest(&o->guest, err));
	TRY(read_choices(o, &in, err));
	TRY(ask_read(path, &firmware, err));
	in.firmware = buf_slice(&firmware);
	if (o->event_log != NULL) {
		TRY(read_log(o->event_log, &raw_log, &log, err));
		in.log = &log;
	}
	TRY(hash_payload(o, &in, err));
	if (measure_tdx_registers(&in, &out, err) != OK)
		return err_wrap(err, "%s", path);
	if (!o->guest.json) {
		print_tdx(o, &out);
		return OK;
	}
	write_tdx(&out, &w);
	printf("%s\n", buf_cstr(&text));
	return OK;
}

static const struct verb verbs[] = {
	{ .name = "snp",
	  .summary = "launch digest of an SEV-SNP guest",
	  OPTS(snp_rows),
	  .opts_size = sizeof(struct snp_opts),
	  .run = run_snp },
	{ .name = "tdx",
	  .summary = "MRTD and RTMR0 to RTMR2 of a TDX guest",
	  OPTS(tdx_rows),
	  .opts_size = sizeof(struct tdx_opts),
	  .run = run_tdx },
};

const struct applet applet_measure = {
	.name = "measure",
	.summary = "compute what hardware will report of a guest",
	.needs = NEEDS_CRYPTO,
	VERBS(verbs),
};
