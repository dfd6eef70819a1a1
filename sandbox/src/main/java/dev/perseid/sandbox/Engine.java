package dev.perseid.sandbox;

import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import run.endive.compiler.InterpreterFallback;
import run.endive.compiler.MachineFactoryCompiler;
import run.endive.runtime.ByteArrayMemory;
import run.endive.runtime.GlobalInstance;
import run.endive.runtime.ImportValues;
import run.endive.runtime.Instance;
import run.endive.runtime.Machine;
import run.endive.wasm.Parser;
import run.endive.wasm.WasmModule;
import run.endive.wasm.types.MemoryLimits;

/// A metered module made ready to run, and one run of it. Runs of one engine may go on side by
/// side: each has its own instance.
final class Engine {
  /// How a run ended; `kind` is null when the task is done.
  record Ending(Verdict.@Nullable Kind kind, String message, long gasUsed, long peakBytes) {}

  /// Asked between steps and at host calls: null to go on, else why to stop.
  interface Brake {
    Verdict.@Nullable Kind pressed();
  }

  /// Looks at a run between its steps.
  interface Watch {
    /// The instance is made; it may be given another state.
    void begin(Instance instance);

    /// Before each step: false to stop here.
    ///
    /// @param steps how many were made since [#begin]
    boolean goesOn(Instance instance, long steps);

    /// For runs that nobody looks at.
    Watch NOBODY =
        new Watch() {
          @Override
          public void begin(Instance instance) {}

          @Override
          public boolean goesOn(Instance instance, long steps) {
            return true;
          }
        };
  }

  /// A watch failed; of the task it says nothing.
  static final class WatchFailed extends RuntimeException {
    private static final long serialVersionUID = 1;

    WatchFailed(Throwable cause) {
      super(cause.getMessage(), cause);
    }
  }

  private final WasmModule module;
  private final @Nullable Function<Instance, Machine> machines;
  private final int initialPages;
  private final int maxPages;

  private Engine(
      WasmModule module,
      @Nullable Function<Instance, Machine> machines,
      int initialPages,
      int maxPages) {
    this.module = module;
    this.machines = machines;
    this.initialPages = initialPages;
    this.maxPages = maxPages;
  }

  /// Compiled to bytecode; functions too large for the JVM are interpreted. Gas and results are the
  /// same.
  static Engine compiled(Profile.Metered metered) {
    WasmModule module = Parser.parse(metered.wasm());
    Function<Instance, Machine> machines;
    try {
      machines =
          MachineFactoryCompiler.builder(module)
              .withInterpreterFallback(InterpreterFallback.SILENT)
              .compile();
    } catch (RuntimeException | StackOverflowError e) {
      machines = null; // interpreted as a whole: slow, but the same
    }
    return new Engine(module, machines, metered.initialPages(), metered.maxPages());
  }

  /// Interpreted: the same results by other code, for tests.
  static Engine interpreted(Profile.Metered metered) {
    return new Engine(
        Parser.parse(metered.wasm()), null, metered.initialPages(), metered.maxPages());
  }

  /// Runs a task from its start to its end on this thread, whose stack should have
  /// [Limits#WORKER_STACK_BYTES].
  Ending run(HostCalls host, long gasLimit, int pagesLimit, Brake brake) {
    return run(host, gasLimit, pagesLimit, brake, Watch.NOBODY);
  }

  /// As [#run], looked at. A run that the watch stops ends as if it were done.
  Ending run(HostCalls host, long gasLimit, int pagesLimit, Brake brake, Watch watch) {
    if (initialPages > pagesLimit) {
      return new Ending(
          Verdict.Kind.MEMORY_LIMIT,
          "the module needs "
              + initialPages
              + " pages of memory from the start, the limit is "
              + pagesLimit,
          0,
          0);
    }
    long start = GasSchedule.START + GasSchedule.PAGE * initialPages;
    if (start > gasLimit) {
      return outOfGas(gasLimit, 0);
    }
    Instance instance;
    try {
      var builder =
          Instance.builder(module)
              .withMemoryLimits(new MemoryLimits(initialPages, Math.min(maxPages, pagesLimit)))
              .withMemoryFactory(ByteArrayMemory::new)
              .withImportValues(ImportValues.builder().addFunction(host.functions()).build());
      if (machines != null) {
        builder = builder.withMachineFactory(machines);
      }
      instance = builder.build();
    } catch (RuntimeException e) {
      return new Ending(Verdict.Kind.TRAP, "at the start: " + e.getMessage(), start, 0);
    }
    GlobalInstance gas = instance.exports().global(Meter.GAS);
    GlobalInstance stack = instance.exports().global(Meter.STACK);
    GlobalInstance refused = instance.exports().global(Meter.GROWTH_REFUSED);
    gas.setValue(gasLimit - start);
    host.attach(instance.memory(), gas, brake);
    watch.begin(instance);
    var step = instance.export("step");
    Verdict.Kind kind = null;
    String message = "";
    try {
      int status = 0;
      for (long steps = 0; status == 0 && kind == null; steps++) {
        kind = brake.pressed();
        if (kind != null) {
          message = "stopped between two steps";
          break;
        }
        if (!watch.goesOn(instance, steps)) {
          status = 1;
          break;
        }
        long left = gas.getValue() - GasSchedule.STEP;
        gas.setValue(left);
        if (left >= 0) {
          status = (int) step.apply()[0];
        }
        if (gas.getValue() < 0) {
          kind = Verdict.Kind.OUT_OF_GAS;
        }
      }
      if (kind == null && status != 1) {
        kind = Verdict.Kind.EXIT_CODE;
        message = "step returned " + status + " (0 is: call again, 1 is: done)";
      }
    } catch (WatchFailed e) {
      throw e;
    } catch (RuntimeException e) {
      Verdict.Kind pressed = brake.pressed();
      HostCalls.Stop stop = host.stop();
      if ((int) stack.getValue() < 0) {
        kind = Verdict.Kind.RECURSION_LIMIT;
      } else if (gas.getValue() < 0) {
        kind = Verdict.Kind.OUT_OF_GAS;
      } else if (ranOutOfStack(e)) {
        kind = Verdict.Kind.ENGINE_DIED;
        message = OUT_OF_STACK;
      } else if (stop != null) {
        kind = stop.kind();
        message = String.valueOf(stop.getMessage());
      } else if (pressed != null) {
        kind = pressed;
        message = "stopped within a step";
      } else {
        kind = Verdict.Kind.TRAP;
        message = String.valueOf(e.getMessage());
      }
    } catch (StackOverflowError e) {
      // The stack limit of the profile is far below what the worker's stack holds; so this is the
      // engine's failure.
      kind = Verdict.Kind.ENGINE_DIED;
      message = "the engine's own stack ran out";
    }
    long peak = (long) instance.memory().pages() * Limits.PAGE_BYTES;
    if (kind == Verdict.Kind.OUT_OF_GAS) {
      return outOfGas(gasLimit, peak);
    }
    if (kind == Verdict.Kind.RECURSION_LIMIT) {
      message =
          "calls are nested deeper than the stack limit of " + Limits.STACK_SLOTS + " slots allows";
    }
    if ((kind == Verdict.Kind.TRAP || kind == Verdict.Kind.EXIT_CODE) && refused.getValue() != 0) {
      message = "the task failed after it was refused memory beyond its limit: " + message;
      kind = Verdict.Kind.MEMORY_LIMIT;
    }
    return new Ending(kind, message, Math.min(gasLimit, gasLimit - gas.getValue()), peak);
  }

  /// The stack limit of the profile is far below what a worker's stack holds. If the JVM's stack
  /// runs out all the same, it is this engine that failed, not the task.
  private static final String OUT_OF_STACK = "the engine's own stack ran out";

  private static boolean ranOutOfStack(Throwable e) {
    for (Throwable t = e; t != null; t = t.getCause()) {
      if (t instanceof StackOverflowError) {
        return true;
      }
    }
    return false;
  }

  private static Ending outOfGas(long limit, long peak) {
    return new Ending(
        Verdict.Kind.OUT_OF_GAS, "the task spent its gas limit of " + limit, limit, peak);
  }
}
