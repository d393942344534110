# SPDX-License-Identifier: MIT
# strip.awk - C without its comments and string contents; every line keeps its number.
# Set keep_strings=1 to leave strings as they are. Lines of #include are kept whole.
{
	line = $0
	out = ""
	if (!in_comment && line ~ /^[ \t]*#[ \t]*include/)
		keep = 1
	else
		keep = keep_strings
	n = length(line)
	for (i = 1; i <= n; i++) {
		c = substr(line, i, 1)
		two = substr(line, i, 2)
		if (in_comment) {
			if (two == "*/") {
				in_comment = 0
				i++
			}
		} else if (two == "/*") {
			in_comment = 1
			out = out " "
			i++
		} else if (two == "//") {
			break
		} else if (c == "\"" || c == "'") {
			out = out c
			for (i++; i <= n && substr(line, i, 1) != c; i++) {
				if (keep)
					out = out substr(line, i, 1)
				if (substr(line, i, 1) == "\\") {
					i++
					if (keep)
						out = out substr(line, i, 1)
				}
			}
			out = out c
		} else {
			out = out c
		}
	}
	print out
}
