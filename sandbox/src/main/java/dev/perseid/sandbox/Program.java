package dev.perseid.sandbox;

import java.nio.file.Path;
import java.util.List;

/// A native program to run: a file that this machine can execute, or a script that begins with `#!`
/// and an interpreter.
///
/// @param runId the caller's number for this run; comes back in the [Execution]
/// @param file the program
/// @param sha256 its SHA-256, 32 bytes; checked
/// @param args its arguments
/// @param inputs at most 4,096; it finds them as files `/in/0`, `/in/1`, ...
/// @param outputs how many outputs there are, at most 4,096: what it leaves as `/out/0`, `/out/1`,
///   ...; those that it does not leave are empty
/// @param cores how many it should use; it is told, not made to
/// @param limits what the run may use; gas plays no part
/// @param gpus which of this machine's GPUs it may use; it sees no others
@SuppressWarnings("ArrayRecordComponent") // never compared
public record Program(
    long runId,
    Path file,
    byte[] sha256,
    List<String> args,
    List<Input> inputs,
    int outputs,
    int cores,
    RunLimits limits,
    List<Gpu> gpus) {
  public Program {
    args = List.copyOf(args);
    inputs = List.copyOf(inputs);
    gpus = List.copyOf(gpus);
  }

  /// One without GPUs.
  public Program(
      long runId,
      Path file,
      byte[] sha256,
      List<String> args,
      List<Input> inputs,
      int outputs,
      int cores,
      RunLimits limits) {
    this(runId, file, sha256, args, inputs, outputs, cores, limits, List.of());
  }

  /// Whether a file that begins so is an ELF file.
  public static boolean isElf(byte[] head) {
    return head.length >= 4 && head[0] == 0x7F && head[1] == 'E' && head[2] == 'L';
  }

  /// Whether a file that begins so is a script.
  public static boolean isScript(byte[] head) {
    return head.length >= 2 && head[0] == '#' && head[1] == '!';
  }
}
