#include "attest/tee/tdx_collateral.h"

#include "core/cleanup.h"
#include "core/text.h"

#define CHAIN_MAX 16384 /* bytes of a PEM chain, unescaped */
#define TCB_SIGNING "Intel SGX TCB Signing"
#define PLATFORM_CA "Intel SGX PCK Platform CA"
#define PROCESSOR_CA "Intel SGX PCK Processor CA"
#define ROOT_CA "Intel SGX Root CA"

/* SubjectPublicKeyInfo of a key on P-256, up to its point, x and y. */
static const uint8_t spki_p256[] = {
	0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
	0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
	0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
};

/* ---- Signatures ---- */

enum status tdx_collateral_key(const struct x509 *cert, struct slice *out,
			       struct err *err)
{
	struct slice spki = x509_spki(cert);

	if (spki.len != sizeof(spki_p256) + 64 ||
	    !slice_starts(spki, slice_of(spki_p256)))
		return err_set(
			err, E_CRYPTO, "\"%.*s\": expected a key on P-256",
			SLICE_FMT(slice_sub(x509_common_name(cert), 0, 64)));
	*out = slice_from(spki, sizeof(spki_p256));
	return OK;
}

enum status tdx_collateral_verify_raw(struct slice key, struct slice message,
				      struct slice signature, struct err *err)
{
	auto_buf struct buf spki = buf_make(sizeof(spki_p256) + 64);
	auto_buf struct buf der = buf_make(128);

	if (key.len != 64 || signature.len != 64)
		return err_set(err, E_CRYPTO,
			       "expected a key and a signature of 64 bytes");
	buf_put(&spki, slice_of(spki_p256));
	buf_put(&spki, key);
	der_put_ecdsa(&der, slice_sub(signature, 0, 32),
		      slice_from(signature, 32));
	return spki_verify(buf_slice(&spki), message, buf_slice(&der), err);
}

static bool is_verified(const struct tdx_verified *v, struct slice child,
			struct slice issuer)
{
	for (size_t i = 0; i < v->n; i++)
		if (slice_eq(v->pair[i].child, child) &&
		    slice_eq(v->pair[i].issuer, issuer))
			return true;
	return false;
}

static void add_verified(struct tdx_verified *v, struct slice child,
			 struct slice issuer)
{
	if (v->n == TDX_VERIFIED_MAX)
		return;
	v->pair[v->n].child = child;
	v->pair[v->n].issuer = issuer;
	v->n++;
}

enum status tdx_collateral_verify(struct tdx_verified *verified,
				  const struct x509 *child,
				  const struct x509 *issuer, struct err *err)
{
	struct slice c = x509_der(child), i = x509_der(issuer);

	if (is_verified(verified, c, i))
		return OK;
	/* Times come last in x509_verify, and are asked for elsewhere. */
	enum status status = x509_verify(child, issuer, 0, err);
	if (status != OK && status != E_STALE)
		return status;
	add_verified(verified, c, i);
	return OK;
}

enum status tdx_collateral_verify_crl(struct tdx_verified *verified,
				      const struct x509_crl *crl,
				      const struct x509 *issuer,
				      struct err *err)
{
	struct slice c = x509_crl_der(crl), i = x509_der(issuer);

	if (is_verified(verified, c, i))
		return OK;
	TRY(x509_crl_verify(crl, issuer, err));
	add_verified(verified, c, i);
	return OK;
}

/* ---- Chains ---- */

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo the %-escapes of RFC 3986 s2.1. */
static enum status unescape(struct slice in, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.p[i] != '%') {
			buf_put_u8(out, in.p[i]);
			continue;
		}
		int high = i + 2 < in.len ? hex_digit(in.p[i + 1]) : -1;
		int low = i + 2 < in.len ? hex_digit(in.p[i + 2]) : -1;
		if (high < 0 || low < 0)
			return err_set(err, E_PARSE,
				       "chain: expected two hex digits after "
				       "each %%");
		buf_put_u8(out, (uint8_t)(high << 4 | low));
		i += 2;
	}
	return buf_check(out, "chain", err);
}

static enum status parse_chain(struct slice text, struct tdx_signer *out,
			       struct err *err)
{
	struct x509 *cert[2];
	size_t n;
	auto_buf struct buf pem = buf_make(CHAIN_MAX);

	if (slice_find(text, '%') < text.len)
		TRY(unescape(text, &pem, err));
	else
		buf_put(&pem, text);
	TRY(buf_check(&pem, "chain", err));
	TRY(x509_parse_chain(buf_slice(&pem), cert, countof(cert), &n, err));
	if (n != countof(cert)) {
		x509_free(cert[0]);
		return err_set(err, E_PARSE,
			       "chain: expected two certificates, signer and "
			       "root, found %zu",
			       n);
	}
	out->cert = cert[0];
	out->root = cert[1];
	return OK;
}

static enum status check_name(const struct x509 *cert, const char *name,
			      struct err *err)
{
	struct slice cn = x509_common_name(cert);

	if (slice_eq_str(cn, name))
		return OK;
	return err_set(err, E_CRYPTO,
		       "expected a certificate of \"%s\", found \"%.*s\"", name,
		       SLICE_FMT(slice_sub(cn, 0, 64)));
}

/* A signer that the root signed, and is called one of these two. */
static enum status read_signer(struct slice text, const char *name,
			       const char *other, struct tdx_verified *verified,
			       struct tdx_signer *out, struct err *err)
{
	TRY(parse_chain(text, out, err));
	TRY(check_name(out->root, ROOT_CA, err));
	if (!slice_eq_str(x509_common_name(out->cert), other))
		TRY(check_name(out->cert, name, err));
	TRY(tdx_collateral_verify(verified, out->root, out->root, err));
	return tdx_collateral_verify(verified, out->cert, out->root, err);
}

/* ---- CRLs ---- */

/* DER, which begins with 0x30, PEM, or DER in hex, which begins with "30". */
static enum status parse_crl(struct slice in, struct x509_crl **out,
			     struct err *err)
{
	if (!slice_starts(in, S("30")))
		return x509_crl_parse(in, out, err);

	auto_buf struct buf der = buf_make(X509_CRL_MAX);
	bool good = in.len % 2 == 0;
	for (size_t i = 0; good && i < in.len && !der.bad; i += 2) {
		int high = hex_digit(in.p[i]), low = hex_digit(in.p[i + 1]);

		good = high >= 0 && low >= 0;
		if (good)
			buf_put_u8(&der, (uint8_t)(high << 4 | low));
	}
	if (!good)
		return err_set(err, E_PARSE,
			       "CRL: expected pairs of hex digits, found "
			       "another character");
	TRY(buf_check(&der, "CRL", err));
	return x509_crl_parse(buf_slice(&der), out, err);
}

/* ---- All of it ---- */

static void note(struct tdx_collateral *c, enum tdx_collateral_check check,
		 enum status status, const struct err *err)
{
	c->check[check].found = status == OK ? TDX_HELD : TDX_BROKEN;
	if (status != OK)
		c->check[check].err = *err;
}

/* Signed by the signer, over the bytes as they were served. */
static void check_signed(struct tdx_collateral *c,
			 const struct tdx_signed *over,
			 const struct tdx_signer *signer,
			 enum tdx_collateral_check check)
{
	struct slice key;
	struct err err;

	if (signer->cert == NULL)
		return;
	enum status status = tdx_collateral_key(signer->cert, &key, &err);
	if (status == OK)
		status = tdx_collateral_verify_raw(
			key, over->bytes, slice_of(over->signature), &err);
	note(c, check, status, &err);
}

static void read_tcb_info(struct tdx_collateral *c,
			  const struct tdx_collateral_input *in)
{
	struct tdx_signed over;
	struct err err;

	if (in->tcb_info_chain.len > 0)
		note(c, TDX_TCB_INFO_CHAIN,
		     read_signer(in->tcb_info_chain, TCB_SIGNING, TCB_SIGNING,
				 &c->verified, &c->tcb_signer, &err),
		     &err);
	if (in->tcb_info.len == 0)
		return;
	note(c, TDX_TCB_INFO_FORM,
	     tdx_tcb_info_parse(in->tcb_info, &c->tcb, &over, &err), &err);
	if (c->tcb != NULL)
		check_signed(c, &over, &c->tcb_signer, TDX_TCB_INFO_SIGNATURE);
}

static void read_qe_identity(struct tdx_collateral *c,
			     const struct tdx_collateral_input *in)
{
	struct tdx_signed over;
	struct err err;

	if (in->qe_identity_chain.len > 0)
		note(c, TDX_QE_IDENTITY_CHAIN,
		     read_signer(in->qe_identity_chain, TCB_SIGNING,
				 TCB_SIGNING, &c->verified, &c->qe_signer,
				 &err),
		     &err);
	if (in->qe_identity.len == 0)
		return;
	note(c, TDX_QE_IDENTITY_FORM,
	     tdx_qe_identity_parse(in->qe_identity, &c->qe, &over, &err), &err);
	if (c->qe != NULL)
		check_signed(c, &over, &c->qe_signer,
			     TDX_QE_IDENTITY_SIGNATURE);
}

/* Verify now what a quote's own certificates will be found to have signed;
 * that it fails is said when such a quote comes. */
static void read_crls(struct tdx_collateral *c,
		      const struct tdx_collateral_input *in)
{
	struct err err;

	c->check[TDX_PCK_CRL_CHAIN].found = TDX_HELD;
	if (in->pck_crl_chain.len > 0)
		note(c, TDX_PCK_CRL_CHAIN,
		     read_signer(in->pck_crl_chain, PLATFORM_CA, PROCESSOR_CA,
				 &c->verified, &c->pck_ca, &err),
		     &err);
	if (in->root_ca_crl.len > 0)
		note(c, TDX_ROOT_CRL_FORM,
		     parse_crl(in->root_ca_crl, &c->root_crl, &err), &err);
	if (in->pck_crl.len > 0)
		note(c, TDX_PCK_CRL_FORM,
		     parse_crl(in->pck_crl, &c->pck_crl, &err), &err);
	if (c->root_crl != NULL && c->tcb_signer.root != NULL)
		(void)tdx_collateral_verify_crl(&c->verified, c->root_crl,
						c->tcb_signer.root, &err);
	if (c->pck_crl != NULL && c->pck_ca.cert != NULL)
		(void)tdx_collateral_verify_crl(&c->verified, c->pck_crl,
						c->pck_ca.cert, &err);
}

struct tdx_collateral *tdx_collateral_new(const struct tdx_collateral_input *in)
{
	struct tdx_collateral *c = mem_must(sizeof(*c));

	read_tcb_info(c, in);
	read_qe_identity(c, in);
	read_crls(c, in);
	return c;
}

static void signer_done(struct tdx_signer *s)
{
	x509_free(s->cert);
	x509_free(s->root);
}

void tdx_collateral_free(struct tdx_collateral *c)
{
	if (c == NULL)
		return;
	tdx_tcb_info_free(c->tcb);
	tdx_qe_identity_free(c->qe);
	x509_crl_free(c->root_crl);
	x509_crl_free(c->pck_crl);
	signer_done(&c->tcb_signer);
	signer_done(&c->qe_signer);
	signer_done(&c->pck_ca);
	mem_free(c);
}
