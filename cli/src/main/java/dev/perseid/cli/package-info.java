/// The command line.
@NullMarked
package dev.perseid.cli;

import org.jspecify.annotations.NullMarked;
