#include "attest/tee/gpu_rim.h"

#include "attest/tee/gpu_xml.h"
#include "core/cleanup.h"
#include "test/attest/tee/gpu_forge.h"
#include "test/test.h"

/* ---- XML ---- */

static enum status read_xml(const char *text)
{
	auto_gpu_xml struct gpu_xml *x = NULL;
	struct err err;

	return gpu_xml_parse(slice_str(text), &x, &err);
}

static const char *const bad_xml[] = {
	"",
	" ",
	"x",
	"<a>",
	"</a>",
	"<a/><b/>",
	"<a></b>",
	"<a></a >x",
	"<a",
	"<a b",
	"<a b=",
	"<a b=\"",
	"<a b=\"c",
	"<a b='c'/>",
	"<a b =\"c\"/>",
	"<a b= \"c\"/>",
	"<a b=\"c\"d=\"e\"/>",
	"<a b=\"c\" b=\"d\"/>",
	"<a b=\"<\"/>",
	"<a b=\"&amp;\"/>",
	"<a b=\"&#65;\"/>",
	"<a b=\"\n\"/>",
	"<a b=\"\t\"/>",
	"<a>&lt;</a>",
	"<a>]]></a>",
	"<a><![CDATA[x]]></a>",
	"<a><!-- x --></a>",
	"<!-- x --><a/>",
	"<?pi x?><a/>",
	"<a><?pi x?></a>",
	"<a/><!-- x -->",
	"<!DOCTYPE a><a/>",
	"<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>",
	"<a>\r\n</a>",
	"<a>\x7f</a>",
	"<a>\xc3\xa9</a>",
	"<\xc3\xa9/>",
	"\xef\xbb\xbf<a/>",
	"<a xml:id=\"x\"/>",
	"<a xml:base=\"x\"/>",
	"<a XML:x=\"x\"/>",
	"<a xmlns=\"\"/>",
	"<a xmlns:p=\"\"/>",
	"<p:a/>",
	"<a p:b=\"c\"/>",
	"<a xmlns:xml=\"u\"/>",
	"<a xmlns:xmlns=\"u\"/>",
	"<a xmlns:p=\"u\" xmlns:p=\"u\"/>",
	"<a xmlns:p=\"u\"><b xmlns:p=\"v\"/></a>",
	"<a xmlns=\"u\"><b xmlns=\"v\"/></a>",
	"<a xmlns:p=\"u\" xmlns:q=\"u\" p:x=\"1\" q:x=\"2\"/>",
	"<xml:a/>",
	"<a:/>",
	"<:a/>",
	"<a:b:c/>",
	"<1a/>",
	"< a/>",
	"<a / >",
	"<a></ a>",
	"<a/>x",
	"x<a/>",
	"<?xml version=\"1.1\"?><a/>",
	"<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>",
	" <?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>",
};

TEST(xml_of_any_other_kind_is_refused)
{
	for (size_t i = 0; i < countof(bad_xml); i++)
		if (!EXPECT(read_xml(bad_xml[i]) == E_PARSE))
			printf("%s\n", bad_xml[i]);
	CHECK(read_xml("<a><b><c><d><e><f><g><h><i/></h></g></f></e></d></c>"
		       "</b></a>") == E_LIMIT);
	CHECK(read_xml("<a><b><c><d><e><f><g><h/></g></f></e></d></c></b>"
		       "</a>") == OK);
}

static bool canonical(const char *text, const char *apex, const char *except,
		      const char *want)
{
	auto_gpu_xml struct gpu_xml *x = NULL;
	auto_buf struct buf out = buf_make(4096);
	const struct gpu_xml_node *from, *but = NULL;
	struct err err;

	if (!EXPECT(gpu_xml_parse(slice_str(text), &x, &err) == OK))
		return false;
	from = gpu_xml_root(x);
	while (!slice_eq_str(from->local, apex))
		from = gpu_xml_first(from);
	if (except != NULL) {
		but = gpu_xml_first(from);
		while (!slice_eq_str(but->local, except))
			but = gpu_xml_next(but);
	}
	gpu_xml_canonical(from, but, &out);
	if (slice_eq_str(buf_slice(&out), want))
		return true;
	printf("%s\n", buf_cstr(&out));
	return false;
}

/* Canonical XML 1.1 s3.3 and s3.7, as far as they are allowed here. */
TEST(xml_is_made_canonical)
{
	CHECK(canonical("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a/>\n",
			"a", NULL, "<a></a>"));
	CHECK(canonical("<a  z=\"1\"\n b=\"2\"   ></a  >", "a", NULL,
			"<a b=\"2\" z=\"1\"></a>"));
	CHECK(canonical(
		"<e5 a:attr=\"out\" b:attr=\"sorted\" attr2=\"all\" "
		"attr=\"I'm\" xmlns:b=\"http://www.ietf.org\" "
		"xmlns:a=\"http://www.w3.org\" "
		"xmlns=\"http://example.org\"/>",
		"e5", NULL,
		"<e5 xmlns=\"http://example.org\" "
		"xmlns:a=\"http://www.w3.org\" "
		"xmlns:b=\"http://www.ietf.org\" attr=\"I'm\" "
		"attr2=\"all\" b:attr=\"sorted\" a:attr=\"out\"></e5>"));
	/* What is in force already is not said again. */
	CHECK(canonical("<a xmlns=\"u\"><b xmlns=\"u\" xmlns:p=\"v\"><p:c "
			"xmlns:p=\"v\"/></b></a>",
			"a", NULL,
			"<a xmlns=\"u\"><b xmlns:p=\"v\"><p:c></p:c></b></a>"));
	/* Of a part, all that is in force there is said. */
	CHECK(canonical("<a xmlns=\"u\" xmlns:q=\"w\"><b xmlns:p=\"v\"><c "
			"xmlns:p=\"v\"> x <d/></c></b> y</a>",
			"c", NULL,
			"<c xmlns=\"u\" xmlns:p=\"v\" xmlns:q=\"w\"> x "
			"<d></d></c>"));
	/* A part left out leaves the text around it. */
	CHECK(canonical("<a>1<b>2</b>3<s><t/>4</s>5</a>", "a", "s",
			"<a>1<b>2</b>35</a>"));
	CHECK(canonical("<a><s/></a>", "a", "s", "<a></a>"));
}

/* ---- Manifests ---- */

static struct gpu_forge vendor;

static void make(struct buf *out)
{
	*out = buf_make(GPU_FORGE_MAX);
	gpu_forge_make(GPU_FORGE_GH100, &vendor);
	buf_put(out, buf_slice(&vendor.driver_rim));
}

/* The manifest with the first `from` replaced. */
static void edit(const struct buf *in, const char *from, const char *to,
		 struct buf *out)
{
	struct slice s = buf_slice(in);
	size_t at = slice_search(s, slice_str(from));

	*out = buf_make(GPU_FORGE_MAX);
	if (!EXPECT(at < s.len))
		printf("%s\n", from);
	buf_put(out, slice_sub(s, 0, at));
	buf_put_str(out, to);
	buf_put(out, slice_from(s, at + strlen(from)));
}

#define SIG "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">"
#define TRANSFORM "http://www.w3.org/2000/09/xmldsig#enveloped-signature"

static const char *const edits[][2] = {
	{ "URI=\"\"", "URI=\"#x\"" },
	{ "URI=\"\"", "URI=\"\" Id=\"x\"" },
	{ " URI=\"\"", "" },
	{ "<ds:Reference ", "<ds:Reference Type=\"x\" " },
	{ "<ds:SignedInfo>", "<ds:SignedInfo Id=\"x\">" },
	{ "<ds:SignedInfo>", "<ds:SignedInfo a=\"x\">" },
	{ "<Payload>", "<Payload Id=\"x\">" },
	{ "<Payload>", "<Payload>x" },
	{ "<Payload>", "<Payload></Payload><Payload>" },
	{ "<Payload>", "<Extra></Extra><Payload>" },
	{ "<Entity ", "<Meta></Meta><Entity " },
	{ "<Entity ", "<Entity></Entity><Entity " },
	{ TRANSFORM, "http://www.w3.org/TR/1999/REC-xpath-19991116" },
	{ "xml-c14n11", "xml-c14n11#WithComments" },
	{ "http://www.w3.org/2006/12/xml-c14n11",
	  "http://www.w3.org/2001/10/xml-exc-c14n#" },
	{ "ecdsa-sha384", "ecdsa-sha256" },
	{ "ecdsa-sha384", "hmac-sha384" },
	{ "xmldsig-more#sha384", "xmlenc#sha512" },
	{ "<ds:Transforms>",
	  "<ds:Transforms><ds:Transform Algorithm=\"" TRANSFORM
	  "\"></ds:Transform>" },
	{ "</ds:Reference>", "</ds:Reference><ds:Reference URI=\"\">"
			     "</ds:Reference>" },
	{ "</ds:KeyInfo>", "</ds:KeyInfo><ds:Object></ds:Object>" },
	{ "<ds:X509Data>", "<ds:KeyValue></ds:KeyValue><ds:X509Data>" },
	{ SIG, SIG "<ds:Object></ds:Object>" },
	{ "</SoftwareIdentity>", "<x></x></SoftwareIdentity>" },
	{ "<ds:SignatureValue>", "<ds:SignatureValue>A" },
	{ "<ds:DigestValue>", "<ds:DigestValue>AAAA" },
	{ "<SoftwareIdentity ", "<Other " },
	{ "name=\"GH100\"", "name=\"GB100\"" },
	{ "colloquialVersion=", "colloquial=" },
	{ "active=\"True\"", "active=\"true\"" },
	{ "active=\"True\"", "active=\"1\"" },
	{ " active=\"True\"", "" },
	{ "alternatives=\"2\"", "alternatives=\"1\"" },
	{ "alternatives=\"2\"", "alternatives=\"3\"" },
	{ "alternatives=\"2\"", "alternatives=\"0\"" },
	{ "alternatives=\"2\"", "alternatives=\"-2\"" },
	{ "index=\"1\"", "index=\"0\"" },
	{ "index=\"1\"", "index=\"2\"" },
	{ "index=\"63\"", "index=\"255\"" },
	{ "size=\"48\"", "size=\"32\"" },
	{ "size=\"48\"", "size=\"49\"" },
	{ "type=\"Measurement\"", "type=\"Other\"" },
	{ "ns2:Hash1=\"01", "ns2:Hash1=\"0g" },
	{ "ns2:Hash1=\"01", "ns2:Hash1=\"0" },
	{ "ns2:Hash1=", "ns2:Hash2=" },
	{ "ns2:Hash1=", "Hash1=" },
	{ "xmlenc#sha384", "xmlenc#sha256" },
};

/* Each is refused by its form, before any signature is looked at. */
TEST(manifests_of_another_profile_are_refused)
{
	auto_buf struct buf whole;

	make(&whole);
	for (size_t i = 0; i < countof(edits); i++) {
		auto_buf struct buf xml;
		auto_gpu_rim struct gpu_rim *r = NULL;
		struct err err;

		edit(&whole, edits[i][0], edits[i][1], &xml);
		enum status s = gpu_rim_parse(buf_slice(&xml), &r, &err);
		if (!EXPECT(s == E_PARSE && r == NULL))
			printf("%s -> %s: %d\n", edits[i][0], edits[i][1], s);
	}
	gpu_forge_done(&vendor);
}

/* What may differ in how a document is written does not count; all else
 * does. */
TEST(manifests_that_mean_the_same_are_the_same)
{
	static const struct {
		const char *from, *to;
		bool same;
	} rows[] = {
		{ "<Entity name=\"Forger\"></Entity>",
		  "<Entity   name=\"Forger\" />", true },
		{ "active=\"True\" alternatives=\"2\"",
		  "alternatives=\"2\"\n active=\"True\"", true },
		{ "<Payload>", "<Payload xmlns:q=\"urn:q\">", false },
		{ "<Payload>", "<Payload a=\"b\">", false },
		{ "</Payload>\n", "</Payload>", false },
		{ "Forger", "forger", false },
	};
	auto_buf struct buf whole;

	make(&whole);
	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf xml;
		auto_gpu_rim struct gpu_rim *r = NULL;
		struct err err;

		edit(&whole, rows[i].from, rows[i].to, &xml);
		CHECK(gpu_rim_parse(buf_slice(&xml), &r, &err) == OK);
		gpu_rim_judge(r);
		CHECK(r->signature.code == OK && r->chain.code == OK);
		CHECK(rows[i].same == (memcmp(r->digest, r->signed_digest,
					      GPU_VALUE_LEN) == 0));
	}
	gpu_forge_done(&vendor);
}

/* A declaration further out is part of what a signature is over. */
TEST(manifests_with_another_signed_info_are_not_signed)
{
	auto_buf struct buf whole;
	auto_buf struct buf xml;
	auto_gpu_rim struct gpu_rim *r = NULL;
	struct err err;

	make(&whole);
	edit(&whole, "<ds:SignedInfo>", "<ds:SignedInfo xmlns:q=\"urn:q\">",
	     &xml);
	CHECK(gpu_rim_parse(buf_slice(&xml), &r, &err) == OK);
	gpu_rim_judge(r);
	CHECK(r->signature.code == E_CRYPTO);
	gpu_forge_done(&vendor);
}

TEST(manifests_of_every_other_length_are_refused)
{
	auto_buf struct buf whole;
	struct gpu_rim *r = NULL;
	struct err err;

	make(&whole);
	for (size_t len = 0; len + 1 < whole.len; len += 1 + len / 97)
		CHECK(gpu_rim_parse(slice_sub(buf_slice(&whole), 0, len), &r,
				    &err) != OK);
	CHECK(r == NULL);
	gpu_forge_done(&vendor);
}
