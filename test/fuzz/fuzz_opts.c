#include <stdint.h>
#include <string.h>

#include "core/opts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS 16

struct values {
	struct opt_list list;
	const char *text;
	uint64_t number;
	bool flag;
};

static const struct opt rows[] = {
	{ .name = "flag",
	  .help = "f",
	  .kind = OPT_FLAG,
	  OPT_AT(struct values, flag) },
	{ .name = "list",
	  .arg = "L",
	  .help = "l",
	  .kind = OPT_LIST,
	  OPT_AT(struct values, list) },
	{ .name = "number",
	  .arg = "N",
	  .help = "n",
	  .kind = OPT_U64,
	  .max = 4096,
	  OPT_AT(struct values, number) },
	{ .name = "text",
	  .arg = "T",
	  .help = "t",
	  .kind = OPT_STR,
	  OPT_AT(struct values, text) },
};

/* Lines are the words of a command line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct opt_table table = { rows, sizeof(rows) / sizeof(rows[0]) };
	struct values values = { 0 };
	struct opt_args args = { 0 };
	char text[1024], *words[WORDS + 1], *rest = text;
	bool help = false;
	struct err err;
	int n = 0;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *word; n < WORDS && (word = strsep(&rest, "\n")) != NULL;)
		words[n++] = word;
	words[n] = NULL;
	(void)opts_parse(&table, 1, n, words, &values, &args, &help, &err);
	return 0;
}
