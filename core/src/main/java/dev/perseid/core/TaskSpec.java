package dev.perseid.core;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// One node of a job's graph. Kept small: a pool holds a million of them.
///
/// @param ownName its name where it is not derived from its kind, else null
/// @param kind index of its [TaskKind] in the job
/// @param copy its number among the tasks of its kind that came from one entry of the job file, or
///   -1 where that entry made one task only
/// @param args text handed to the module
/// @param inputs what it reads, in the order in which the module sees them
/// @param after indices of tasks that must end first though nothing of theirs is read
/// @param outputs how many outputs it declares
public record TaskSpec(
    @Nullable String ownName,
    int kind,
    int copy,
    String args,
    List<Input> inputs,
    List<Integer> after,
    int outputs) {}
