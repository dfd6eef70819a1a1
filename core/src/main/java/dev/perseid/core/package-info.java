/// The words and the rules: records, graph, scheduler, accounts; decide and apply.
@NullMarked
package dev.perseid.core;

import org.jspecify.annotations.NullMarked;
