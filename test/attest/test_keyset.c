#include "attest/keyset.h"

#include "core/cleanup.h"
#include "core/crypto.h"
#include "test/test.h"

#define H64 "0707070707070707070707070707070707070707070707070707070707070707"
#define EMPTY "{\"hpke\":\"" H64 "\",\"ohttp\":{},\"v\":1}"
#define FULL                                                         \
	"{\"hpke\":\"" H64 "\",\"mesh_ca\":\"Y2VydA==\",\"ohttp\":{" \
	"\"a\":\"YQ==\",\"a.b\":\"YWI=\",\"b\":\"Yg==\"},\"v\":1}"
#define WORKER "{\"hpke\":\"" H64 "\",\"tls\":\"c3BraQ==\",\"v\":1}"

static void make(struct keyset_as *k)
{
	struct err err;

	keyset_as_init(k);
	memset(k->hpke, 7, 32);
	buf_put_str(&k->mesh_ca, "cert");
	EXPECT(keyset_as_add(k, S("b"), S("b"), &err) == OK);
	EXPECT(keyset_as_add(k, S("a"), S("a"), &err) == OK);
	EXPECT(keyset_as_add(k, S("a.b"), S("ab"), &err) == OK);
}

TEST(writes_groups_sorted_whatever_their_order)
{
	auto_keyset_as struct keyset_as k;
	auto_buf struct buf out = buf_make(KEYSET_MAX);
	struct err err;

	make(&k);
	CHECK(keyset_as_write(&k, &out, &err) == OK);
	CHECK_STR_EQ(buf_cstr(&out), FULL);
}

TEST(before_init_there_is_no_certificate_and_no_group)
{
	auto_keyset_as struct keyset_as k, back;
	auto_buf struct buf out = buf_make(KEYSET_MAX);
	struct err err;

	keyset_as_init(&k);
	keyset_as_init(&back);
	memset(k.hpke, 7, 32);
	CHECK(keyset_as_write(&k, &out, &err) == OK);
	CHECK_STR_EQ(buf_cstr(&out), EMPTY);
	CHECK(keyset_as_parse(S(EMPTY), &back, &err) == OK);
	CHECK(back.mesh_ca.len == 0 && back.n_groups == 0);
}

TEST(reads_what_it_writes)
{
	auto_keyset_as struct keyset_as k;
	struct err err;

	keyset_as_init(&k);
	CHECK(keyset_as_parse(S(FULL), &k, &err) == OK);
	CHECK(k.n_groups == 3);
	CHECK(k.hpke[0] == 7 && k.hpke[31] == 7);
	CHECK(slice_eq(buf_slice(&k.mesh_ca), S("cert")));
	CHECK(slice_eq(keyset_as_ohttp(&k, S("a.b")), S("ab")));
	CHECK(keyset_as_ohttp(&k, S("c")).len == 0);
	CHECK(keyset_as_ohttp(&k, S("a.")).len == 0);
}

TEST(a_group_added_again_has_the_new_keys)
{
	auto_keyset_as struct keyset_as k;
	struct err err;

	make(&k);
	CHECK(keyset_as_add(&k, S("a"), S("new"), &err) == OK);
	CHECK(k.n_groups == 3);
	CHECK(slice_eq(keyset_as_ohttp(&k, S("a")), S("new")));
}

/* clang-format off */
/* Not canonical, or not of the form. */
static const char *const others[] = {
	"", "{}", "[]", EMPTY " ", " " EMPTY,
	"{\"hpke\":\"" H64 "\",\"v\":1}",
	"{\"ohttp\":{},\"v\":1}",
	"{\"hpke\":\"" H64 "\",\"ohttp\":{}}",
	"{\"hpke\":\"" H64 "\",\"ohttp\":{},\"v\":2}",
	"{\"hpke\":\"" H64 "\",\"ohttp\":{},\"v\":\"1\"}",
	"{\"hpke\":\"" H64 "\",\"ohttp\":{},\"v\":1.0}",
	"{\"hpke\":\"" H64 "\",\"ohttp\":[],\"v\":1}",
	"{\"hpke\":\"07\",\"ohttp\":{},\"v\":1}",
	"{\"hpke\":\"" H64 "\",\"mesh_ca\":\"\",\"ohttp\":{},\"v\":1}",
	"{\"hpke\":\"" H64 "\",\"mesh_ca\":\"Y2VydA\",\"ohttp\":{},\"v\":1}",
	"{\"hpke\":\"" H64 "\",\"mesh_ca\":null,\"ohttp\":{},\"v\":1}",
	"{\"hpke\":\"" H64 "\",\"ohttp\":{\"a\":\"\"},\"v\":1}",
	"{\"hpke\":\"" H64 "\",\"ohttp\":{\"a\":1},\"v\":1}",
	"{\"hpke\":\"" H64 "\",\"ohttp\":{\"A\":\"YQ==\"},\"v\":1}",
	"{\"hpke\":\"" H64 "\",\"ohttp\":{\"\":\"YQ==\"},\"v\":1}",
	"{\"hpke\":\"" H64 "\",\"ohttp\":{\"b\":\"YQ==\",\"a\":\"YQ==\"},"
	"\"v\":1}",
	"{\"hpke\":\"" H64 "\",\"ohttp\":{\"a\":\"YQ==\",\"a\":\"YQ==\"},"
	"\"v\":1}",
	"{\"hpke\":\"" H64 "\",\"ohttp\":{\"\\u0061\":\"YQ==\"},\"v\":1}",
	"{\"hpke\":\"" H64 "\",\"ohttp\":{},\"v\":1,\"x\":1}",
	"{\"ohttp\":{},\"hpke\":\"" H64 "\",\"v\":1}",
	WORKER,
};
/* clang-format on */

TEST(refuses_every_other_form)
{
	auto_keyset_as struct keyset_as k;
	struct err err;

	keyset_as_init(&k);
	for (size_t i = 0; i < countof(others); i++)
		CHECK(keyset_as_parse(slice_str(others[i]), &k, &err) ==
		      E_PARSE);
	CHECK(k.n_groups == 0 && k.hpke[0] == 0); /* untouched */
}

TEST(refuses_every_shorter_text)
{
	auto_keyset_as struct keyset_as k;
	struct err err;

	keyset_as_init(&k);
	for (size_t n = 0; n < sizeof(FULL) - 1; n++)
		CHECK(keyset_as_parse(slice_make(FULL, n), &k, &err) ==
		      E_PARSE);
}

TEST(any_changed_byte_is_refused_or_another_set)
{
	char text[sizeof(FULL)];
	struct err err;

	for (size_t i = 0; i < sizeof(FULL) - 1; i++) {
		auto_keyset_as struct keyset_as k;
		auto_buf struct buf out = buf_make(KEYSET_MAX);

		keyset_as_init(&k);
		memcpy(text, FULL, sizeof(text));
		text[i] ^= 1;
		if (keyset_as_parse(slice_str(text), &k, &err) != OK)
			continue;
		CHECK(keyset_as_write(&k, &out, &err) == OK);
		CHECK_STR_EQ(buf_cstr(&out), text);
	}
}

TEST(groups_are_limited)
{
	auto_keyset_as struct keyset_as k;
	char name[16];
	struct err err;

	keyset_as_init(&k);
	for (int i = 0; i < KEYSET_GROUPS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "g%d", i);
		CHECK(keyset_as_add(&k, slice_str(name), S("k"), &err) == OK);
	}
	CHECK(keyset_as_add(&k, S("more"), S("k"), &err) == E_LIMIT);
	CHECK(keyset_as_add(&k, S("g1"), S("l"), &err) == OK);
	CHECK(k.n_groups == KEYSET_GROUPS_MAX);
}

TEST(refuses_to_add_what_is_no_group)
{
	static const uint8_t big[KEYSET_OHTTP_MAX + 1] = { 0 };
	auto_keyset_as struct keyset_as k;
	struct err err;

	keyset_as_init(&k);
	CHECK(keyset_as_add(&k, S(""), S("k"), &err) == E_PARSE);
	CHECK(keyset_as_add(&k, S("A"), S("k"), &err) == E_PARSE);
	CHECK(keyset_as_add(&k, S("a/b"), S("k"), &err) == E_PARSE);
	CHECK(keyset_as_add(&k, S("a"), S(""), &err) == E_PARSE);
	CHECK(keyset_as_add(&k, S("a"), slice_of(big), &err) == E_LIMIT);
	CHECK(k.n_groups == 0);
}

TEST(a_workers_set_is_read_back_and_nothing_else)
{
	auto_keyset_worker struct keyset_worker k, back;
	auto_buf struct buf out = buf_make(KEYSET_MAX);
	struct err err;

	keyset_worker_init(&k);
	keyset_worker_init(&back);
	memset(k.hpke, 7, 32);
	CHECK(keyset_worker_write(&k, &out, &err) == E_PARSE); /* no key */
	CHECK(out.len == 0);
	buf_put_str(&k.tls, "spki");
	CHECK(keyset_worker_write(&k, &out, &err) == OK);
	CHECK_STR_EQ(buf_cstr(&out), WORKER);
	CHECK(keyset_worker_parse(S(WORKER), &back, &err) == OK);
	CHECK(slice_eq(buf_slice(&back.tls), S("spki")));
	CHECK(keyset_worker_parse(S(FULL), &k, &err) == E_PARSE);
	CHECK(keyset_worker_parse(S(WORKER "\n"), &k, &err) == E_PARSE);
	CHECK(keyset_worker_parse(S("{\"hpke\":\"" H64 "\",\"tls\":\"\","
				    "\"v\":1}"),
				  &k, &err) == E_PARSE);
	for (size_t n = 0; n < sizeof(WORKER) - 1; n++)
		CHECK(keyset_worker_parse(slice_make(WORKER, n), &k, &err) ==
		      E_PARSE);
}

TEST(the_digest_is_of_the_bytes)
{
	uint8_t got[32], want[32];

	keyset_digest(S(FULL), got);
	sha256(S(FULL), want);
	CHECK(memcmp(got, want, 32) == 0);
}
