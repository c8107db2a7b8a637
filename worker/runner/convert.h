/* convert.h - `saegrid-runner convert` and `infer`: SAE files of any format, rewritten or run.
 *
 * argv[0] is the command.  Both print their help, errors and what they did, and return the exit code.
 */
#pragma once

int convert_main(int argc, char **argv);
int infer_main(int argc, char **argv);
