#!/bin/sh
# coverage.sh OBJDIR: lines executed, per file and per folder, of our own
# sources; from what the program and the tests left beside the objects.
set -eu

find "$1" -name '*.gcno' -not -path '*/obj/test/*' -print0 |
	xargs -0 -r gcov -n 2>/dev/null |
	awk '
	/^File / {
		file = $2
		gsub(/\047/, "", file)
		sub(/^\.\//, "", file)
	}
	/^Lines executed:/ && file ~ /^(core|attest|proxy|sandbox|cmd)\// {
		split($2, part, /[:%]/)
		lines = $4
		hit = lines * part[2] / 100
		# A header is compiled many times: its best count stands.
		if (hit > best[file])
			best[file] = hit
		size[file] = lines
		file = ""
	}
	END {
		for (file in size) {
			folder = file
			sub(/\/[^\/]*$/, "", folder)
			all[folder] += size[file]
			done[folder] += best[file]
			total += size[file]
			ran += best[file]
			printf "%5.1f%% %6d  %s\n", \
				100 * best[file] / size[file], \
				size[file], file | "sort -k3"
		}
		close("sort -k3")
		for (folder in all)
			printf "%5.1f%% %6d  %s/\n", \
				100 * done[folder] / all[folder], \
				all[folder], folder | "sort -k3"
		close("sort -k3")
		if (total)
			printf "%5.1f%% %6d  all\n", 100 * ran / total, total
	}'
