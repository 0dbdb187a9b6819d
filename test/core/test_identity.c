#include "core/identity.h"

#include <stdio.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/file.h"
#include "test/test.h"

static const char *at(const char *name)
{
	static char path[2][4200];
	static int turn;

	turn = !turn;
	(void)snprintf(path[turn], sizeof(path[turn]), "%s/%s", test_dir(),
		       name);
	return path[turn];
}

/* Write an identity as PEM files NAME.pem and NAME.key. */
static void put(const struct identity *id, const char *name, mode_t mode)
{
	auto_buf struct buf cert = buf_make(16384);
	auto_buf struct buf key = buf_make(4096);
	char file[64];
	struct err err;

	x509_pem(x509_der(id->cert), &cert);
	EXPECT(keypair_pem(id->key, &key, &err) == OK);
	(void)snprintf(file, sizeof(file), "%s.pem", name);
	EXPECT(file_write(at(file), buf_slice(&cert), 0644, &err) == OK);
	(void)snprintf(file, sizeof(file), "%s.key", name);
	EXPECT(file_write(at(file), buf_slice(&key), mode, &err) == OK);
}

TEST(a_new_identity_is_self_signed_over_its_own_key)
{
	auto_identity struct identity id = { 0 };
	auto_buf struct buf spki = buf_make(1024);
	int64_t now = clock_wall();
	struct err err;

	CHECK(identity_new("confd test", 2, &id, &err) == OK);
	CHECK(slice_eq_str(x509_common_name(id.cert), "confd test"));
	CHECK(keypair_spki(id.key, &spki, &err) == OK);
	CHECK(slice_eq(buf_slice(&spki), x509_spki(id.cert)));
	CHECK(x509_not_before(id.cert) <= now - 3500);
	CHECK(x509_not_after(id.cert) > now + 86400);
	CHECK(x509_not_after(id.cert) <= now + 2 * 86400 + 5);
}

TEST(a_bad_name_makes_no_identity)
{
	struct identity id = { 0 };
	struct err err;

	CHECK(identity_new("", 1, &id, &err) == E_PARSE);
	CHECK(identity_new("a\nb", 1, &id, &err) == E_PARSE);
	CHECK(id.cert == NULL && id.key == NULL);
}

TEST(what_was_written_is_loaded)
{
	auto_identity struct identity id = { 0 };
	auto_identity struct identity got = { 0 };
	uint8_t a[32], b[32];
	struct err err;

	CHECK(identity_new("x", 1, &id, &err) == OK);
	put(&id, "x", 0600);
	CHECK(identity_load(at("x.pem"), at("x.key"), &got, &err) == OK);
	CHECK(slice_eq(x509_der(got.cert), x509_der(id.cert)));
	x509_spki_sha256(id.cert, a);
	CHECK(identity_cert_fingerprint(at("x.pem"), b, &err) == OK);
	CHECK(memcmp(a, b, 32) == 0);
}

TEST(a_key_of_another_certificate_is_refused_by_name)
{
	auto_identity struct identity one = { 0 };
	auto_identity struct identity two = { 0 };
	struct identity got = { 0 };
	struct err err;

	CHECK(identity_new("one", 1, &one, &err) == OK);
	CHECK(identity_new("two", 1, &two, &err) == OK);
	put(&one, "one", 0600);
	put(&two, "two", 0600);
	CHECK(identity_load(at("one.pem"), at("two.key"), &got, &err) ==
	      E_CONF);
	CHECK(strstr(err.text, "one.pem") != NULL);
	CHECK(strstr(err.text, "two.key") != NULL);
	CHECK(got.cert == NULL && got.key == NULL);
}

TEST(a_key_that_others_can_read_is_refused)
{
	auto_identity struct identity id = { 0 };
	struct identity got = { 0 };
	struct err err;

	CHECK(identity_new("x", 1, &id, &err) == OK);
	put(&id, "x", 0644);
	CHECK(identity_load(at("x.pem"), at("x.key"), &got, &err) != OK);
	CHECK(got.cert == NULL && got.key == NULL);
}

TEST(files_that_are_missing_or_something_else_are_refused_by_name)
{
	auto_identity struct identity id = { 0 };
	struct identity got = { 0 };
	uint8_t print[32] = { 7 };
	struct err err;

	CHECK(identity_new("x", 1, &id, &err) == OK);
	put(&id, "x", 0600);
	CHECK(identity_load(at("no.pem"), at("x.key"), &got, &err) ==
	      E_NOTFOUND);
	CHECK(strstr(err.text, "no.pem") != NULL);
	CHECK(identity_load(at("x.pem"), at("no.key"), &got, &err) ==
	      E_NOTFOUND);
	CHECK(identity_load(at("x.key"), at("x.key"), &got, &err) == E_PARSE);
	CHECK(strstr(err.text, "x.key") != NULL);
	CHECK(identity_load(at("x.pem"), at("x.pem"), &got, &err) != OK);
	CHECK(identity_cert_fingerprint(at("x.key"), print, &err) == E_PARSE);
	CHECK(got.cert == NULL && got.key == NULL && print[0] == 7);
}
