/* convert.h - `saegrid-runner convert`: an SAE from one file format to another. */
#pragma once

/* argv[0] is "convert".  Prints its help, its errors and one line about what it did; returns the
 * exit code. */
int convert_main(int argc, char **argv);
