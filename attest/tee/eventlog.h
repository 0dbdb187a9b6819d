/* Event logs: what firmware, boot loader and kernel say they extended into
 * measurement registers, and the registers that follow from it.
 *
 * A log is untrusted.  That its replay gives the registers of a quote proves
 * the digests in it and their order, and nothing else: the data beside a
 * digest are proven only where they are what was hashed, which
 * eventlog_event_proven() tells event by event.
 *
 * Sources: TCG PC Client Platform Firmware Profile 1.06, 10.2 (events) and
 * 10.4 (types); UEFI 2.10, 38.4 (confidential computing: the same log, with
 * measurement registers for PCRs); dstack's log in JSON.  Integers are
 * little-endian. */
#ifndef CONFD_ATTEST_TEE_EVENTLOG_H
#define CONFD_ATTEST_TEE_EVENTLOG_H

#include "attest/trace.h"
#include "core/crypto.h"

#define EVENTLOG_MAX (1u << 20) /* bytes of a log, with the fill behind it */
#define EVENTLOG_EVENTS_MAX 4096
#define EVENTLOG_ALGS_MAX 5 /* SHA-1, the SHA-2 family, SM3 */
#define EVENTLOG_RTMRS 4
#define EVENTLOG_PCRS 24

enum eventlog_kind {
	EVENTLOG_CC,   /* CCEL: SHA-384 into TDX's registers */
	EVENTLOG_TPM,  /* into the PCRs of a TPM, in several banks */
	EVENTLOG_JSON, /* dstack's: SHA-384 into TDX's registers */
};

/* Types of events that are named somewhere here (TCG PFP table 27). */
#define EVENTLOG_NO_ACTION 3u
#define EVENTLOG_SEPARATOR 4u
#define EVENTLOG_DSTACK 0x08000001u /* dstack's own, into RTMR3 */

/* Hash algorithms (TCG Algorithm Registry). */
#define EVENTLOG_SHA1 0x04
#define EVENTLOG_SHA256 0x0b
#define EVENTLOG_SHA384 0x0c
#define EVENTLOG_SHA512 0x0d
#define EVENTLOG_SM3 0x12

struct eventlog_alg {
	uint16_t id;  /* EVENTLOG_SHA384, ... */
	uint16_t len; /* bytes of a digest */
};

/* Slices are of the log's bytes, or of memory of the log. */
struct eventlog_event {
	uint32_t mr;   /* PCR; or 0 for MRTD, 1 to 4 for RTMR0 to RTMR3 */
	uint32_t type; /* EVENTLOG_NO_ACTION is told, not extended */
	struct slice digest[EVENTLOG_ALGS_MAX]; /* in the order of alg[] */
	struct slice name; /* dstack's events; else empty */
	struct slice data; /* JSON cuts or leaves out that of others */
};

struct eventlog {
	enum eventlog_kind kind;
	size_t n_algs;
	struct eventlog_alg alg[EVENTLOG_ALGS_MAX];
	size_t n;
	struct eventlog_event *event; /* in order; read only */
	size_t end;		      /* bytes of the log; fill follows */
	uint8_t *arena;		      /* private: what JSON was decoded to */
};

/* Read a log of events in binary form.
 *
 * raw	untrusted; lives as long as the log.  Behind the last event nothing
 *	but fill may follow: bytes 0xff, then bytes 0.
 * kind	EVENTLOG_CC or EVENTLOG_TPM: who read it from where knows.
 *
 * E_PARSE	not the form of the source: no or another Spec ID event, an
 *		event that is cut off, a digest that is missing, twice there
 *		or of an algorithm that was not announced, a register that
 *		does not exist; a log for TDX with anything but SHA-384.
 * E_LIMIT	more than EVENTLOG_MAX bytes or EVENTLOG_EVENTS_MAX events. */
enum status eventlog_parse(struct slice raw, enum eventlog_kind kind,
			   struct eventlog *out, struct err *err);

/* Read dstack's log: an array of {"imr","event_type","digest","event",
 * "event_payload"}.  A digest of its own events may be left out and is then
 * computed; where it stands it must be right.  raw need not live on. */
enum status eventlog_parse_json(struct slice raw, struct eventlog *out,
				struct err *err);

/* Read the ACPI table CCEL of Linux's /sys/firmware/acpi/tables, for its
 * length of the log in bytes.  E_PARSE when it is not of a TDX machine. */
enum status eventlog_parse_ccel(struct slice raw, uint64_t *log_len,
				struct err *err);

void eventlog_done(struct eventlog *l);
#define auto_eventlog __attribute__((cleanup(eventlog_done)))

/* What the registers hold when all events of a log were extended. */
struct eventlog_registers {
	enum hash_alg alg;
	size_t n; /* EVENTLOG_RTMRS or EVENTLOG_PCRS */
	struct {
		size_t events; /* that extended it */
		uint8_t value[HASH_MAX];
	} reg[EVENTLOG_PCRS];
	uint8_t locality; /* from which the TPM was started: in PCR 0 */
};

/* Replay the events of one bank.
 *
 * E_NOTFOUND	the log has no such bank.
 * E_PARSE	an event extends what cannot be extended so: MRTD, PCRs 17 to
 *		22 (a late launch), or the start's locality is told twice, too
 *		late or is none. */
enum status eventlog_replay(const struct eventlog *l, enum hash_alg alg,
			    struct eventlog_registers *out, struct err *err);

/* The part of an event's data of which its digest in this bank is the hash:
 * after a replay that matches, this part is proven.  What is hashed depends
 * on the type: all data, a variable's value, a boot loader's line without its
 * prefix.  Empty where the digest is of something that is not in the log (an
 * image, a table), or where the data are not what was hashed.  For dstack's
 * own events the name is proven too.  An event's type, a line's prefix and a
 * variable's name beside its value are never proven, nor are empty data. */
struct slice eventlog_event_proven(const struct eventlog *l,
				   const struct eventlog_event *e,
				   enum hash_alg alg);

/* False when the type of an event says that its data were hashed, and they
 * were not: somebody changed them. */
bool eventlog_event_honest(const struct eventlog *l,
			   const struct eventlog_event *e, enum hash_alg alg);

/* "EV_SEPARATOR", or NULL for a type that is not known here. */
const char *eventlog_type_name(uint32_t type);

/* Which registers of a genuine quote a log in binary form is to lead to, bit N
 * for RTMR N: all but RTMR3 where the log has nothing of it and it is not
 * zero, since firmware's log ends where the system begins, which extends that
 * register and keeps a log of its own. */
unsigned eventlog_told(const struct eventlog *l,
		       const uint8_t rtmr[static EVENTLOG_RTMRS][48]);

/* Judge a log for TDX by the registers of a genuine quote, leaving a step
 * eventlog.replay and, where that holds, eventlog.data and one eventlog.rtmrN
 * for each bit N of `registers`.  OK, or the code of the first rule that is
 * broken. */
enum status eventlog_verify_rtmrs(const struct eventlog *l,
				  const uint8_t rtmr[static EVENTLOG_RTMRS][48],
				  unsigned registers, struct trace *t,
				  struct err *err);

/* The same by the PCRs of a genuine TPM quote: pcr[i] has hash_len(alg) bytes
 * where bit i of `registers` is set; a step eventlog.pcr each. */
enum status eventlog_verify_pcrs(const struct eventlog *l, enum hash_alg alg,
				 const struct slice pcr[static EVENTLOG_PCRS],
				 unsigned registers, struct trace *t,
				 struct err *err);

#endif
