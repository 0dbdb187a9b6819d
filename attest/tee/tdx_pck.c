#include "attest/tee/tdx_pck.h"

#include "core/cleanup.h"
#include "core/der.h"

#define SVN_MAX 255
#define PCE_SVN_MAX 65535
#define SGX_TYPE_MAX 2

/* The content of the OBJECT IDENTIFIER 1.2.840.113741.1.13.1; members add one
 * number to it, and members of members another. */
static const uint8_t arc[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8,
			       0x4d, 0x01, 0x0d, 0x01 };

enum { TCB_COMPONENTS = 16, TCB_PCE_SVN = 17, TCB_CPU_SVN = 18 };

/* Which members were there, a bit each. */
struct reader {
	struct tdx_pck pck;
	uint32_t seen, seen_tcb, seen_configuration;
};

/* Reads the value of one member. */
typedef void read_member(struct der *d, uint8_t number, struct reader *r);

/* The last number of an identifier below arc, with `depth` numbers behind it;
 * 0 when it is another. */
static uint8_t number_below(struct slice oid, uint8_t parent)
{
	size_t depth = parent == 0 ? 1 : 2;

	if (oid.len != sizeof(arc) + depth || !slice_starts(oid, slice_of(arc)))
		return 0;
	if (parent != 0 && oid.p[sizeof(arc)] != parent)
		return 0;
	return oid.p[oid.len - 1];
}

/* A SEQUENCE of {identifier, value}.  A member that is not known is left
 * alone: the certificate's signature says that Intel put it there. */
static void read_members(struct der *d, uint8_t parent, uint8_t max,
			 uint32_t *seen, read_member *read, struct reader *r)
{
	struct der list = der_enter(d, DER_SEQUENCE);

	while (der_more(&list)) {
		struct der member = der_enter(&list, DER_SEQUENCE);
		uint8_t n = number_below(der_oid(&member), parent);
		uint8_t tag;

		if (n == 0 || n > max) {
			(void)der_any(&member, &tag);
		} else {
			member.bad |= (*seen >> n & 1) != 0;
			*seen |= UINT32_C(1) << n;
			read(&member, n, r);
		}
		der_leave(&list, &member);
	}
	der_leave(d, &list);
}

static void read_octets(struct der *d, uint8_t *to, size_t len)
{
	struct slice v = der_get(d, DER_OCTET_STRING);

	if (v.len == len)
		memcpy(to, v.p, len);
	else
		d->bad = true;
}

static void read_tcb(struct der *d, uint8_t number, struct reader *r)
{
	if (number <= TCB_COMPONENTS)
		r->pck.cpu_svn[number - 1] = (uint8_t)der_u64(d, SVN_MAX);
	else if (number == TCB_PCE_SVN)
		r->pck.pce_svn = (uint16_t)der_u64(d, PCE_SVN_MAX);
	else
		read_octets(d, r->pck.raw_cpu_svn, sizeof(r->pck.raw_cpu_svn));
}

static void read_configuration(struct der *d, uint8_t number, struct reader *r)
{
	bool *const to[] = { &r->pck.dynamic_platform, &r->pck.cached_keys,
			     &r->pck.smt };

	*to[number - 1] = der_boolean(d);
}

static void tcb(struct der *d, struct reader *r)
{
	read_members(d, 2, TCB_CPU_SVN, &r->seen_tcb, read_tcb, r);
}

static void sgx_type(struct der *d, struct reader *r)
{
	r->pck.has_sgx_type = true;
	r->pck.sgx_type = der_enumerated(d);
	if (r->pck.sgx_type > SGX_TYPE_MAX)
		d->bad = true;
}

static void configuration(struct der *d, struct reader *r)
{
	r->pck.has_configuration = true;
	read_members(d, 7, 3, &r->seen_configuration, read_configuration, r);
}

/* clang-format off */
/* A row a member: octets of one length, or a function. */
#define OCTETS(m) { offsetof(struct tdx_pck, m), \
		    sizeof(((struct tdx_pck *)0)->m), NULL }
static const struct {
	uint16_t to, len;
	void (*read)(struct der *d, struct reader *r);
} members[] = {
	[1] = OCTETS(ppid),
	[2] = { 0, 0, tcb },
	[3] = OCTETS(pce_id),
	[4] = OCTETS(fmspc),
	[5] = { 0, 0, sgx_type },
	[6] = OCTETS(instance),
	[7] = { 0, 0, configuration },
};
/* clang-format on */

#define REQUIRED 0x1eu	      /* 1 to 4 */
#define INSTANCE (1u << 6)    /* member 6 */
#define REQUIRED_TCB 0x7fffeu /* 1 to 18 */

static void read_top(struct der *d, uint8_t number, struct reader *r)
{
	if (members[number].read != NULL)
		members[number].read(d, r);
	else
		read_octets(d, (uint8_t *)&r->pck + members[number].to,
			    members[number].len);
}

enum status tdx_pck_parse(struct slice value, struct tdx_pck *out,
			  struct err *err)
{
	struct der d = der_make(value);
	struct reader r = { 0 };

	read_members(&d, 0, countof(members) - 1, &r.seen, read_top, &r);
	TRY(der_end(&d, "tdx pck: the SGX extension", err));
	if ((r.seen & REQUIRED) != REQUIRED || r.seen_tcb != REQUIRED_TCB)
		return err_set(err, E_PARSE,
			       "tdx pck: expected PPID, TCB with its 18 "
			       "members, PCE id and FMSPC in the SGX "
			       "extension, found some missing");
	r.pck.has_instance = (r.seen & INSTANCE) != 0;
	*out = r.pck;
	return OK;
}
