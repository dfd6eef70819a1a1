/// The genomics example: its job as data, reads to run it on, and a plain single-process run of the
/// same algorithm whose results the portable tasks in `examples/genomics` must equal byte for byte.
@NullMarked
package dev.perseid.cli.genomics;

import org.jspecify.annotations.NullMarked;
