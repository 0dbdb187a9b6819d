# Judges "FILE:LINE:#include ..." lines by the rules file; one line a breach.

# A shell pattern as a regular expression: * within a folder, ** across.
function pattern(glob)
{
	gsub(/\./, "\\.", glob)
	gsub(/\*\*/, "\001", glob)
	gsub(/\*/, "[^/]*", glob)
	gsub(/\001/, ".*", glob)
	return "^" glob "$"
}

# The longest of the rules' folders that path lies in, or nothing.
function folder_of(path)
{
	while (sub(/\/[^\/]*$/, "", path))
		if (path in may || path == "build")
			return path
	return ""
}

function among(word, list, n, i, part)
{
	n = split(list, part, " ")
	for (i = 1; i <= n; i++)
		if (part[i] == word)
			return 1
	return 0
}

function refuse(why)
{
	print place ": " name ": " why
	failed = 1
}

function judge_own(from, to)
{
	from = folder_of(file)
	to = folder_of(name)
	if (name ~ /(^|\/)\.\.?\// || to == "")
		refuse("write our headers from the top, others in <>")
	else if (!among(to, may[from]))
		refuse(from " may not include " to)
}

function judge_other(i, n, j, part)
{
	for (i = 1; i <= homes; i++) {
		if (name !~ pattern(header[i]))
			continue
		n = split(home[i], part, " ")
		for (j = 1; j <= n; j++)
			if (file ~ pattern(part[j]))
				return
		refuse("its only home is" (n ? ": " home[i] : " nowhere"))
		return
	}
	if (folder_of(name) != "")
		refuse("write our headers in quotes")
}

BEGIN {
	while ((getline line < rules) > 0) {
		key = value = line
		sub(/:.*/, "", key)
		sub(/^[^:]*:[ \t]*/, "", value)
		if (sub(/^from /, "", key))
			may[key] = value
		else if (sub(/^home /, "", key)) {
			header[++homes] = key
			home[homes] = value
		}
	}
}

{
	split($0, part, ":")
	file = part[1]
	place = part[1] ":" part[2]
	name = $0
	if (sub(/^[^"<]*"/, "", name)) {
		sub(/".*/, "", name)
		judge_own()
	} else if (sub(/^[^<]*</, "", name)) {
		sub(/>.*/, "", name)
		judge_other()
	}
}

END {
	exit failed
}
