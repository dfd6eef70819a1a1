package dev.perseid.core;

import java.util.List;

/// The right and duty of one provider to run one attempt of one task. It carries all that the
/// provider needs to run the task and to sign the record; nothing in the record's signed part is
/// unknown to the signer.
///
/// @param id number in the pool, from 1, never used again
/// @param job the job
/// @param task index of the task in the job
/// @param taskName for people
/// @param consumer who pays; a sandbox serves one consumer only
/// @param provider who runs
/// @param offer EIP-712 digest of the offer whose price holds
/// @param attempt 1 for the first
/// @param kind code and limits
/// @param args text handed to the module
/// @param inputs all inputs, in order, as blobs
/// @param dependsOn indices of the tasks that had to end first
/// @param outputs how many outputs are declared
/// @param submittedUs when the job was accepted; this and the next two in microseconds since the
///   epoch by the pool's clock
/// @param readyUs when the last dependency had ended
/// @param assignedUs when the lease was made
/// @param maxCharge the most that this attempt may cost, microcredits; held from the job's budget
public record Lease(
    long id,
    JobId job,
    int task,
    String taskName,
    Address consumer,
    Address provider,
    Hash offer,
    int attempt,
    TaskKind kind,
    String args,
    List<Blob> inputs,
    List<Integer> dependsOn,
    int outputs,
    long submittedUs,
    long readyUs,
    long assignedUs,
    long maxCharge) {}
