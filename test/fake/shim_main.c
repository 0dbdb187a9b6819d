/* `confd shim` alone, for tests: shim_main shim --port N -- COMMAND... */
#include "sandbox/shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 6 || strcmp(argv[1], "shim") != 0 ||
	    strcmp(argv[2], "--port") != 0 || strcmp(argv[4], "--") != 0) {
		(void)fprintf(stderr, "want: shim --port N -- COMMAND...\n");
		return 64;
	}
	return shim_main((uint16_t)strtoul(argv[3], NULL, 10), argv + 5,
			 environ);
}
