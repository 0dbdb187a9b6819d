/* Files of evidence, in whatever form people have them. */
#ifndef CONFD_CMD_VERIFY_INPUT_H
#define CONFD_CMD_VERIFY_INPUT_H

#include "attest/tee/tee.h"
#include "core/opts.h"

#define VERIFY_FILE_MAX (2u << 20) /* bytes */

enum verify_form {
	VERIFY_BYTES, /* of PEM the content of the first block */
	VERIFY_CERTS, /* PEM stays: the reader takes it, or several of them */
};

/* Read a file as it is, up to out->max; "-" is the standard input.  A file
 * that is not there is E_IO; else as file_read. */
enum status verify_input_raw(const char *path, struct buf *out,
			     struct err *err);

/* Read a file: binary as it is; hex, base64 and base64url (with white space)
 * and PEM decoded, told apart by what stands there.  What is none of these
 * stays as it is: whoever reads it will refuse it.  "-" is the standard
 * input.
 *
 * path	NULL: nothing is read, and out is empty.
 * out	zeroed, or of an earlier call, which is forgotten.
 *
 * E_LIMIT	more than VERIFY_FILE_MAX bytes.
 * Else as verify_input_raw. */
enum status verify_input_read(const char *path, enum verify_form form,
			      struct buf *out, struct err *err);

/* The same for a file that has to hold something: E_STALE when it is empty,
 * so that nobody takes it for checked. */
enum status verify_input_collateral(const char *path, enum verify_form form,
				    struct buf *out, struct err *err);

/* The same for files already read. */
void verify_input_decode(enum verify_form form, struct buf *b);

/* The roots in --trust-root's files.  E_CONF in builds that trust the makers'
 * roots alone, and for what is no certificate. */
enum status verify_input_roots(const struct opt_list *files,
			       struct tee_roots *out, struct err *err);

/* Hex of an option, with or without "0x", of 1 to max bytes; the rest of out
 * is zero.  E_USAGE names the option. */
enum status verify_input_hex(const char *option, const char *text, uint8_t *out,
			     size_t max, size_t *len, struct err *err);

/* Intel's documents for a TDX quote, by their names in a folder. */
#define VERIFY_TDX_FILES 7
struct verify_tdx_files {
	struct buf file[VERIFY_TDX_FILES];
	struct tdx_collateral_input in; /* of these buffers */
};
void verify_tdx_files_done(struct verify_tdx_files *c);
#define auto_verify_tdx_files __attribute__((cleanup(verify_tdx_files_done)))

/* Read those that dir has; NULL: none.
 *
 * E_USAGE	there are two of one.
 * Codes as verify_input_collateral. */
enum status verify_input_tdx(const char *dir, struct verify_tdx_files *c,
			     struct err *err);

#endif
