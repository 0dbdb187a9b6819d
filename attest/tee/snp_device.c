#include "attest/tee/snp_device.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "attest/tee/snp_certs_table.h"
#include "attest/tee/snp_report.h"
#include "attest/tee/tsm.h"
#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/x509_crl.h"

#define PROVIDER "sev_guest"
#define PAGE 4096u
#define CERTS_LEN 0x4000u /* the most that Linux hands over by itself */
#define CERTS_MAX (1u << 20)
#define AT_KEY_INFO 0x48 /* of a report */
#define AT_REPORT_DATA 0x50

/* linux/sev-guest.h, spelled out here since the headers that we build with may
 * be older than the kernel we run on. */
#define SNP_GET_REPORT 0xc0205300ul
#define SNP_GET_DERIVED_KEY 0xc0205301ul
#define SNP_GET_EXT_REPORT 0xc0205302ul
#define VMM_INVALID_LEN 1u
#define VMM_BUSY 2u

struct guest_request {
	uint8_t msg_version; /* 1 */
	uint64_t req, resp;  /* addresses */
	uint32_t fw_error, vmm_error;
};

struct report_request {
	uint8_t user_data[64];
	uint32_t vmpl;
	uint8_t reserved[28];
};

struct ext_request {
	struct report_request data;
	uint64_t certs; /* address */
	uint32_t certs_len;
};

struct report_response {
	uint32_t status, len; /* AMD 56860, MSG_REPORT_RSP */
	uint8_t reserved[24];
	uint8_t report[4000 - 32];
};

struct key_request {
	uint32_t root; /* 0: VCEK, or VLEK where one is loaded */
	uint32_t reserved;
	uint64_t fields; /* FIELD_* */
	uint32_t vmpl, guest_svn;
	uint64_t tcb;
};
#define FIELD_POLICY (1u << 0)
#define FIELD_MEASUREMENT (1u << 3)

struct key_response {
	uint32_t status; /* AMD 56860, MSG_KEY_RSP */
	uint8_t reserved[28];
	uint8_t key[32];
};

static_assert(sizeof(struct guest_request) == 32 &&
		      sizeof(struct report_request) == 96 &&
		      sizeof(struct ext_request) == 112 &&
		      sizeof(struct report_response) == 4000 &&
		      sizeof(struct key_request) == 32 &&
		      sizeof(struct key_response) == 64,
	      "as linux/sev-guest.h has them");

struct snp_device {
	struct tsm *tsm;  /* NULL: not there */
	int fd;		  /* of the device, or -1 */
	struct err no_fd; /* why */
	int (*control)(int fd, unsigned long request, void *arg);
};

/* ---- Opening ---- */

static int control_real(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

static const char *path_of(const struct snp_device_settings *s)
{
	return s->path != NULL ? s->path : SNP_DEVICE_PATH;
}

enum status snp_device_detect(const struct snp_device_settings *s,
			      struct err *err)
{
	auto_tsm struct tsm *t = NULL;

	if (access(path_of(s), F_OK) == 0)
		return OK;
	if (tsm_open(s->tsm_root, PROVIDER, &t, err) == OK)
		return OK;
	return err_set(err, E_NOTFOUND,
		       "this machine is no SEV-SNP guest: "
		       "there is no %s",
		       path_of(s));
}

static void open_fd(struct snp_device *d, const char *path)
{
	d->fd = open(path, O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		(void)err_errno(&d->no_fd, "%s", path);
}

enum status snp_device_open(const struct snp_device_settings *s,
			    struct snp_device **out, struct err *err)
{
	auto_snp_device struct snp_device *d = mem_must(sizeof(*d));

	d->control = s->control != NULL ? s->control : control_real;
	open_fd(d, path_of(s));
	enum status status = tsm_open(s->tsm_root, PROVIDER, &d->tsm, err);
	if (status != OK && d->fd < 0) {
		if (status == E_NOTFOUND)
			*err = d->no_fd;
		return err_wrap(err, "SEV-SNP");
	}
	*out = take(d);
	return OK;
}

void snp_device_close(struct snp_device *d)
{
	if (d == NULL)
		return;
	tsm_close(d->tsm);
	if (d->fd >= 0)
		(void)close(d->fd);
	mem_free(d);
}

const char *snp_device_folder(const struct snp_device *d)
{
	return d->tsm != NULL ? tsm_root(d->tsm) : NULL;
}

/* ---- The device ---- */

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* The level that is asked for: the most privileged that we know we may. */
static uint32_t level(const struct snp_device *d)
{
	return d->tsm != NULL ? tsm_floor(d->tsm) : 0;
}

/* One request, again while the host is busy.  r says what became of it. */
static enum status call(struct snp_device *d, unsigned long request,
			const void *req, void *resp, struct guest_request *r,
			struct err *err)
{
	unsigned int n = 0;
	int rc, error;

	do {
		*r = (struct guest_request){ .msg_version = 1,
					     .req = address(req),
					     .resp = address(resp) };
		rc = d->control(d->fd, request, r);
		error = errno;
		if (rc == 0)
			return OK;
	} while ((tsm_is_busy(error) || r->vmm_error == VMM_BUSY) &&
		 tsm_again(&n));
	return err_set(err,
		       tsm_is_busy(error) || r->vmm_error == VMM_BUSY
			       ? E_UNAVAIL
			       : E_IO,
		       "SEV-SNP request %lu: %s (firmware says %#x, host %u)",
		       request & 0xff, strerror(error), r->fw_error,
		       r->vmm_error);
}

static enum status check_status(uint32_t status, const char *what,
				struct err *err)
{
	if (status == 0)
		return OK;
	return err_set(err, E_IO,
		       "SEV-SNP %s: expected status 0 of the firmware, found "
		       "%#x%s",
		       what, status,
		       status == 0x16 ? " (it refuses the parameters)" : "");
}

static enum status take_report(const struct report_response *r,
			       struct buf *report, struct err *err)
{
	TRY(check_status(r->status, "report", err));
	if (r->len != SNP_REPORT_LEN)
		return err_set(err, E_PARSE,
			       "SEV-SNP report: expected %d bytes, found %u",
			       SNP_REPORT_LEN, r->len);
	buf_put(report, slice_make(r->report, r->len));
	return buf_check(report, "SEV-SNP report", err);
}

/* With the host's table.  *len is the room for it; E_LIMIT, with *len what it
 * wants, when that is more. */
static enum status ask_extended(struct snp_device *d, struct report_request *q,
				struct report_response *r, struct buf *table,
				uint32_t *len, struct err *err)
{
	auto_mem uint8_t *certs = mem_must(*len);
	struct ext_request ext = { .data = *q,
				   .certs = address(certs),
				   .certs_len = *len };
	struct guest_request g;

	enum status status = call(d, SNP_GET_EXT_REPORT, &ext, r, &g, err);
	if (status != OK && g.vmm_error == VMM_INVALID_LEN) {
		*len = ext.certs_len;
		return err_set(err, E_LIMIT,
			       "SEV-SNP: the host's certificates are %u bytes",
			       ext.certs_len);
	}
	TRY(status);
	buf_put(table, slice_make(certs, *len));
	return buf_check(table, "certificate table", err);
}

/* A table that is larger than expected, once more with room; one that Linux
 * will not carry, without. */
static enum status ask_device(struct snp_device *d, const uint8_t *data,
			      struct buf *report, struct buf *table,
			      struct err *err)
{
	struct report_request q = { .vmpl = level(d) };
	auto_mem struct report_response *r = mem_must(sizeof(*r));
	struct guest_request g;
	uint32_t len = CERTS_LEN;

	memcpy(q.user_data, data, sizeof(q.user_data));
	enum status status = ask_extended(d, &q, r, table, &len, err);
	if (status == E_LIMIT && len > CERTS_LEN && len <= CERTS_MAX) {
		len = (len + PAGE - 1) / PAGE * PAGE;
		status = ask_extended(d, &q, r, table, &len, err);
	}
	if (status != OK && status != E_UNAVAIL) {
		buf_clear(table);
		status = call(d, SNP_GET_REPORT, &q, r, &g, err);
	}
	TRY(status);
	return take_report(r, report, err);
}

/* ---- Reports ---- */

static enum status check_report(struct slice report, const uint8_t *data,
				struct err *err)
{
	if (report.len != SNP_REPORT_LEN)
		return err_set(err, E_PARSE,
			       "SEV-SNP report: expected %d bytes, found %zu",
			       SNP_REPORT_LEN, report.len);
	if (memcmp(report.p + AT_REPORT_DATA, data, 64) != 0)
		return err_set(err, E_CONFLICT,
			       "SEV-SNP report: expected our report data in "
			       "it, found other");
	return OK;
}

/* Which text an entry of the host's table goes into; one of keys only where
 * the report says that it signed. */
static const struct {
	enum snp_certs_entry entry;
	const char *text;
	bool key, crl;
	enum snp_key signs;
} texts[] = {
	{ .entry = SNP_ENTRY_VCEK,
	  .text = "leaf",
	  .key = true,
	  .signs = SNP_KEY_VCEK },
	{ .entry = SNP_ENTRY_VLEK,
	  .text = "leaf",
	  .key = true,
	  .signs = SNP_KEY_VLEK },
	{ .entry = SNP_ENTRY_ASK, .text = "chain" },
	{ .entry = SNP_ENTRY_ARK, .text = "chain" },
	{ .entry = SNP_ENTRY_CRL, .text = "crl", .crl = true },
};

/* DER or PEM in, PEM of our own writing out. */
static enum status put_entry(struct slice entry, bool is_crl, struct buf *pem,
			     struct err *err)
{
	auto_x509 struct x509 *cert = NULL;
	auto_x509_crl struct x509_crl *crl = NULL;

	if (is_crl) {
		TRY(x509_crl_parse(entry, &crl, err));
		x509_crl_pem(x509_crl_der(crl), pem);
		return OK;
	}
	TRY(x509_parse(entry, &cert, err));
	x509_pem(x509_der(cert), pem);
	return OK;
}

/* All entries that go into the text of this name. */
static enum status put_text(const struct snp_certs_table *t, const char *name,
			    uint32_t signs, struct buf *pem, struct err *err)
{
	for (size_t i = 0; i < countof(texts); i++) {
		struct slice entry = t->entry[texts[i].entry];

		if (strcmp(texts[i].text, name) != 0 || entry.len == 0 ||
		    (texts[i].key && texts[i].signs != signs))
			continue;
		if (put_entry(entry, texts[i].crl, pem, err) != OK)
			return err_wrap(err, "the host's certificate table: %s",
					snp_certs_table_name(texts[i].entry));
	}
	return buf_check(pem, name, err);
}

/* All or nothing of it, but for a name that is taken. */
static enum status add_collateral(struct slice table, struct slice report,
				  struct evidence *out, struct err *err)
{
	static const char *const names[] = { "leaf", "chain", "crl" };
	auto_buf struct buf leaf = buf_make(EVIDENCE_TEXT_MAX);
	auto_buf struct buf chain = buf_make(EVIDENCE_TEXT_MAX);
	auto_buf struct buf crl = buf_make(EVIDENCE_TEXT_MAX);
	struct buf *const pem[] = { &leaf, &chain, &crl };
	struct snp_certs_table t = { 0 };
	uint32_t signs = report.p[AT_KEY_INFO] >> 2 & 7; /* bits 4:2 */

	if (snp_certs_table_parse(table, &t, err) != OK)
		return err_wrap(err, "from the host");
	for (size_t i = 0; i < countof(names); i++)
		TRY(put_text(&t, names[i], signs, pem[i], err));
	for (size_t i = 0; i < countof(names); i++)
		if (pem[i]->len > 0)
			TRY(evidence_add_text(&out->collateral,
					      slice_str(names[i]),
					      buf_slice(pem[i]), err));
	return OK;
}

enum status snp_device_issue(struct snp_device *d,
			     const uint8_t report_data[static 64],
			     struct evidence *out, struct err *err)
{
	auto_buf struct buf report = buf_make(SNP_REPORT_LEN);
	auto_buf struct buf table = buf_make(CERTS_MAX);

	if (d->tsm != NULL)
		TRY(tsm_report(d->tsm, report_data, &report, &table, err));
	else
		TRY(ask_device(d, report_data, &report, &table, err));
	TRY(check_report(buf_slice(&report), report_data, err));
	TRY(add_collateral(buf_slice(&table), buf_slice(&report), out, err));
	buf_clear(&out->report);
	buf_put(&out->report, buf_slice(&report));
	return buf_check(&out->report, "SEV-SNP report", err);
}

/* ---- Sealing ---- */

static enum status ask_key(struct snp_device *d, struct key_response *r,
			   struct err *err)
{
	const struct key_request q = { .fields =
					       FIELD_POLICY | FIELD_MEASUREMENT,
				       .vmpl = level(d) };
	struct guest_request g;

	TRY(call(d, SNP_GET_DERIVED_KEY, &q, r, &g, err));
	TRY(check_status(r->status, "sealing key", err));
	if (all_zero(r->key, sizeof(r->key)))
		return err_set(err, E_CRYPTO,
			       "SEV-SNP sealing key: expected a key, found "
			       "zeros");
	return OK;
}

enum status snp_device_seal_key(struct snp_device *d, uint8_t out[static 32],
				struct err *err)
{
	struct key_response r = { 0 };
	uint8_t prk[32];

	if (d->fd < 0) {
		*err = d->no_fd;
		return err_wrap(err, "SEV-SNP sealing key");
	}
	enum status status = ask_key(d, &r, err);
	if (status == OK) {
		/* Other programs in the guest get the firmware's key, too, if
		 * they may; ours is of our own label at least. */
		hkdf_extract(S("confd-snp-seal-v1"), slice_of(r.key), prk);
		hkdf_expand(slice_of(prk), S("seal"), out, 32);
		explicit_bzero(prk, sizeof(prk));
	}
	explicit_bzero(&r, sizeof(r));
	return status;
}
