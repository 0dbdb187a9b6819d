#include "attest/tee/tdx_pck.h"

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/x509.h"
#include "test/attest/tee/tdx_forge.h"
#include "test/test.h"

#define NOW INT64_C(1771000000)

/* The value of the extension in a forged PCK certificate. */
static void make(struct tdx_forge *f, struct buf *out)
{
	auto_x509 struct x509 *cert = NULL;
	struct slice value = { 0 };
	struct err err;

	tdx_forge_make(f);
	EXPECT(x509_parse(buf_slice(&f->cert[TDX_FORGE_PCK]), &cert, &err) ==
	       OK);
	EXPECT(x509_extension(cert, TDX_PCK_EXTENSION, &value, &err) == OK);
	*out = buf_make(1 << 16);
	buf_put(out, value);
}

TEST(reads_every_member)
{
	auto_tdx_forge struct tdx_forge f;
	auto_buf struct buf value = { 0 };
	struct tdx_pck p;
	struct err err;

	tdx_forge_init(&f, NOW);
	for (uint8_t i = 0; i < 16; i++)
		f.o.pck.cpu_svn[i] = (uint8_t)(240 + i);
	f.o.pck.pce_svn = 0xfffe;
	f.o.pck.pce_id[1] = 3;
	f.o.pck.sgx_type = 2;
	make(&f, &value);
	CHECK(tdx_pck_parse(buf_slice(&value), &p, &err) == OK);
	CHECK(memcmp(p.cpu_svn, f.o.pck.cpu_svn, 16) == 0);
	CHECK(memcmp(p.raw_cpu_svn, f.o.pck.cpu_svn, 16) == 0);
	CHECK(p.pce_svn == 0xfffe && p.pce_id[1] == 3 && p.ppid[0] == 7);
	CHECK(p.fmspc[0] == 0x90 && p.has_sgx_type && p.sgx_type == 2);
	CHECK(p.has_instance && p.instance[0] == 9 && !p.has_configuration);
}

TEST(reads_the_configuration_of_a_platform)
{
	auto_tdx_forge struct tdx_forge f;
	auto_buf struct buf value = { 0 };
	struct tdx_pck p;
	struct err err;

	tdx_forge_init(&f, NOW);
	f.o.pck.has_configuration = true;
	f.o.pck.dynamic_platform = true;
	f.o.pck.smt = true;
	make(&f, &value);
	CHECK(tdx_pck_parse(buf_slice(&value), &p, &err) == OK);
	CHECK(p.has_configuration && p.dynamic_platform && !p.cached_keys &&
	      p.smt);
	/* A boolean of another value than DER has. */
	uint8_t *last = buf_room(&value, 0) - 1;
	CHECK(*last == 0xff);
	*last = 1;
	CHECK(tdx_pck_parse(buf_slice(&value), &p, &err) == E_PARSE);
}

TEST(cut_or_changed_anywhere_it_never_crashes_and_keeps_its_form)
{
	auto_tdx_forge struct tdx_forge f;
	auto_buf struct buf value = { 0 };
	struct tdx_pck p = { .pce_svn = 99 };
	struct err err;

	tdx_forge_init(&f, NOW);
	make(&f, &value);
	struct slice all = buf_slice(&value);
	for (size_t n = 0; n < all.len; n++)
		CHECK(tdx_pck_parse(slice_sub(all, 0, n), &p, &err) == E_PARSE);
	CHECK(p.pce_svn == 99);
	buf_put_u8(&value, 0);
	CHECK(tdx_pck_parse(buf_slice(&value), &p, &err) == E_PARSE);
}

/* Find a member's identifier and change its last number. */
static bool rename_member(struct buf *value, struct slice oid, uint8_t to)
{
	size_t at = slice_search(buf_slice(value), oid);

	if (at == value->len)
		return false;
	*(buf_room(value, 0) - value->len + at + oid.len - 1) = to;
	return true;
}

TEST(members_that_are_missing_or_twice_are_refused)
{
	/* Content of 1.2.840.113741.1.13.1.N, and of .2.N. */
	static const uint8_t top[] = { 0x06, 0x0a, 0x2a, 0x86, 0x48, 0x86,
				       0xf8, 0x4d, 0x01, 0x0d, 0x01, 0 },
			     tcb[] = { 0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf8,
				       0x4d, 0x01, 0x0d, 0x01, 0x02, 0 };
	uint8_t oid[sizeof(tcb)];
	auto_tdx_forge struct tdx_forge f;
	struct tdx_pck p;
	struct err err;

	tdx_forge_init(&f, NOW);
	for (uint8_t n = 1; n <= 18; n++) {
		auto_buf struct buf value = { 0 };

		make(&f, &value);
		memcpy(oid, tcb, sizeof(tcb));
		oid[sizeof(tcb) - 1] = n;
		CHECK(rename_member(&value, slice_of(oid), 100));
		CHECK(tdx_pck_parse(buf_slice(&value), &p, &err) == E_PARSE);
	}
	for (uint8_t n = 1; n <= 6; n++) {
		auto_buf struct buf value = { 0 };

		make(&f, &value);
		memcpy(oid, top, sizeof(top));
		oid[sizeof(top) - 1] = n;
		CHECK(rename_member(&value, slice_make(oid, sizeof(top)), 100));
		/* 5 and 6 need not be there; another in their place is none
		 * of ours. */
		CHECK((tdx_pck_parse(buf_slice(&value), &p, &err) == OK) ==
		      (n >= 5));
		/* Once it is called as another of the same form: twice. */
	}
	auto_buf struct buf value = { 0 };
	make(&f, &value);
	memcpy(oid, tcb, sizeof(tcb));
	oid[sizeof(tcb) - 1] = 2;
	CHECK(rename_member(&value, slice_of(oid), 1));
	CHECK(tdx_pck_parse(buf_slice(&value), &p, &err) == E_PARSE);
}
