# strip.awk - C source without comments and with empty string literals; line numbers are kept.
# Usage: awk -f strip.awk FILE...   prints file:line:text
FNR == 1 { in_comment = 0 }
{
    line = $0; out = ""
    while (line != "") {
        if (in_comment) {
            i = index(line, "*/")
            if (!i) { line = ""; break }
            line = substr(line, i + 2); in_comment = 0
            continue
        }
        if (substr(line, 1, 2) == "/*") { in_comment = 1; line = substr(line, 3); continue }
        if (substr(line, 1, 2) == "//") { line = ""; break }
        c = substr(line, 1, 1)
        if (c == "\"" || c == "'") {
            for (i = 2; i <= length(line) && substr(line, i, 1) != c; i++)
                if (substr(line, i, 1) == "\\") i++
            out = out c c; line = substr(line, i + 1)
            continue
        }
        out = out c; line = substr(line, 2)
    }
    print FILENAME ":" FNR ":" out
}
