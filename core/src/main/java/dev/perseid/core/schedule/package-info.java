/// When and where a graph of tasks runs: policies, estimates of run times, a simulation to rehearse
/// in, and a lower bound to measure against. Pure, as all of the core.
@NullMarked
package dev.perseid.core.schedule;

import org.jspecify.annotations.NullMarked;
