/// Benchmarks: one command prints the table.
@NullMarked
package dev.perseid.bench;

import org.jspecify.annotations.NullMarked;
