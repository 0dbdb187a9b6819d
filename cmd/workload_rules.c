#include "cmd/workload_rules.h"

#include "core/cleanup.h"
#include "core/text.h"

static enum status check_adapters(const struct manifest_worker *by,
				  const struct workload_request *r,
				  struct err *err)
{
	for (size_t i = 0; i < r->adapters.n; i++)
		if (!manifest_strings_have(&by->adapters,
					   slice_str(r->adapters.word[i])))
			return err_set(err, E_POLICY,
				       "adapter %s is not in the manifest's "
				       "workers.%s.adapters",
				       r->adapters.word[i], by->name);
	return OK;
}

/* What the manifest asks for and we cannot do must not be left out. */
static enum status check_built(const struct manifest_worker *by,
			       struct err *err)
{
	if (by->models.n > 0)
		return err_set(err, E_CONF,
			       "the manifest's workers.%s.models has %s, and "
			       "this build cannot open model disks",
			       by->name, by->models.item[0]);
	if (by->cache_salt != MANIFEST_SALT_OFF)
		return err_set(err, E_CONF,
			       "the manifest's workers.%s.cache_salt is %s, "
			       "and this build has only off",
			       by->name, manifest_salt_name(by->cache_salt));
	return OK;
}

enum status workload_rules_check(const struct manifest_worker *by,
				 const struct workload_request *r,
				 struct err *err)
{
	TRY(check_adapters(by, r, err));
	TRY(check_built(by, err));
	if (r->upstream != NULL)
		return OK; /* no sandbox: neither runtime nor output */
	if (strcmp(by->runtime, "native") != 0)
		return err_set(err, E_CONF,
			       "the manifest's workers.%s.runtime is %s, and "
			       "this build has only native",
			       by->name, by->runtime);
	if (by->logs == MANIFEST_LOGS_SEALED && r->logs != WORKLOAD_LOGS_OFF)
		return err_set(err, E_CONF,
			       "the manifest's workers.%s.logs is sealed, "
			       "which this build cannot do; ask for logs off",
			       by->name);
	if (by->logs == MANIFEST_LOGS_OFF && r->logs == WORKLOAD_LOGS_PLAIN)
		return err_set(err, E_POLICY,
			       "logs: the manifest's workers.%s.logs is off",
			       by->name);
	return OK;
}

enum spec_logs workload_rules_logs(const struct manifest_worker *by,
				   const struct workload_request *r)
{
	return by->logs == MANIFEST_LOGS_PLAIN && r->logs != WORKLOAD_LOGS_OFF
		       ? SPEC_LOGS_PLAIN
		       : SPEC_LOGS_OFF;
}

bool workload_rules_want(const struct manifest_worker *by, const char *kind)
{
	for (size_t i = 0; i < by->images.n; i++)
		if (slice_starts(slice_str(by->images.item[i]),
				 slice_str(kind)))
			return true;
	return false;
}

/* "KIND:HEX" is there. */
static bool has_digest(const struct manifest_worker *by, const char *kind,
		       const uint8_t digest[static 32], char text[static 80])
{
	char hex[65];

	text_hex_into(hex, sizeof(hex), slice_make(digest, 32));
	(void)snprintf(text, 80, "%s%s", kind, hex);
	return manifest_strings_have(&by->images, slice_str(text));
}

static enum status check_upstream(const struct manifest_worker *by,
				  const struct workload_request *r,
				  struct err *err)
{
	auto_buf struct buf text = buf_make(WORKLOAD_TEXT_MAX + 16);

	buf_putf(&text, "upstream:%s", r->upstream);
	if (manifest_strings_have(&by->images, buf_slice(&text)))
		return OK;
	return err_set(err, E_POLICY,
		       "%s is not in the manifest's workers.%s.images",
		       buf_cstr(&text), by->name);
}

enum status workload_rules_image(const struct manifest_worker *by,
				 const struct workload_request *r,
				 const struct workload_facts *f,
				 struct err *err)
{
	char command[80] = "", tree[80] = "";

	/* any is for programs, which the sandbox gives no way out. */
	if (r->upstream != NULL)
		return check_upstream(by, r, err);
	if (by->images_any)
		return OK;
	if (f->has_tree && has_digest(by, "dir:", f->tree, tree))
		return OK;
	if (f->has_command && has_digest(by, "command:", f->command, command)) {
		if (f->alone)
			return OK;
		return err_set(err, E_POLICY,
			       "%s is allowed, but it is a script or linked "
			       "dynamically: what it would load from root is "
			       "not; allow the whole root by its dir: digest",
			       r->command.word[0]);
	}
	return err_set(err, E_POLICY,
		       "not in the manifest's workers.%s.images: %s%s%s",
		       by->name,
		       command[0] != '\0' || tree[0] != '\0' ? command
							     : "(no digests)",
		       command[0] != '\0' && tree[0] != '\0' ? ", " : "", tree);
}
