package dev.perseid.cli.genomics;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.cli.genomics.GenomicsJob.FileInput;
import dev.perseid.cli.genomics.GenomicsJob.GenomicsTask;
import dev.perseid.cli.genomics.GenomicsJob.Input;
import dev.perseid.cli.genomics.GenomicsJob.OutputOf;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;

/// `job.yaml` and [GenomicsJob] are the same job. Reads the file on its own, without the command
/// line's reader, with just the arithmetic that this file uses.
final class JobFileTest {
  private static final Pattern RANGE = Pattern.compile("(\\w+)\\[(\\d+)\\.\\.(\\d+)]:(\\d+)");
  private static final Pattern ALL = Pattern.compile("(\\w+)\\[\\*]:(\\d+)");
  private static final Pattern ONE = Pattern.compile("(\\w+(?:\\[\\d+])?):(\\d+)");
  private static final Pattern SUM = Pattern.compile("\\$\\{i(?:\\*(\\d+))?(?:\\+(\\d+))?}");

  @Test
  void theJobFileIsTheJob() throws IOException {
    Map<?, ?> job =
        (Map<?, ?>)
            new Load(LoadSettings.builder().build())
                .loadFromString(Files.readString(Example.FOLDER.resolve("job.yaml")));
    List<GenomicsTask> tasks = new ArrayList<>();
    for (Object entry : (List<?>) job.get("tasks")) {
      Map<?, ?> task = (Map<?, ?>) entry;
      Object count = task.get("count");
      assertThat(task.get("gas_limit")).as("%s", task).isEqualTo(GenomicsJob.GAS_LIMIT);
      assertThat(task.get("memory_mib")).as("%s", task).isEqualTo(GenomicsJob.MEMORY_MIB);
      for (int i = 0; i < (count == null ? 1 : (Integer) count); i++) {
        List<Input> inputs = new ArrayList<>();
        for (Object input : (List<?>) task.get("inputs")) {
          addInputs(substituted((String) input, i), inputs);
        }
        Object args = task.get("args");
        Object outputs = task.get("outputs");
        tasks.add(
            new GenomicsTask(
                task.get("name") + (count == null ? "" : "[" + i + "]"),
                (String) task.get("module"),
                args == null ? "" : (String) args,
                inputs,
                outputs == null ? 1 : (Integer) outputs));
      }
    }
    assertThat(tasks).containsExactlyElementsOf(GenomicsJob.tasks("data/reads.fq"));

    List<Input> results = new ArrayList<>();
    ((List<?>) job.get("results")).forEach(result -> addInputs((String) result, results));
    assertThat(results).containsExactlyElementsOf(GenomicsJob.results());
  }

  private static String substituted(String text, int i) {
    return SUM.matcher(text)
        .replaceAll(sum ->
            Integer.toString(
                i * (sum.group(1) == null ? 1 : Integer.parseInt(sum.group(1)))
                    + (sum.group(2) == null ? 0 : Integer.parseInt(sum.group(2)))));
  }

  private static void addInputs(String text, List<Input> inputs) {
    Matcher range = RANGE.matcher(text);
    Matcher all = ALL.matcher(text);
    Matcher one = ONE.matcher(text);
    if (range.matches()) {
      for (int i = Integer.parseInt(range.group(2)); i <= Integer.parseInt(range.group(3)); i++) {
        inputs.add(new OutputOf(range.group(1) + "[" + i + "]", Integer.parseInt(range.group(4))));
      }
    } else if (all.matches()) {
      for (int i = 0; i < GenomicsJob.MERGES; i++) {
        inputs.add(new OutputOf(all.group(1) + "[" + i + "]", Integer.parseInt(all.group(2))));
      }
    } else if (one.matches()) {
      inputs.add(new OutputOf(one.group(1), Integer.parseInt(one.group(2))));
    } else {
      inputs.add(new FileInput(text));
    }
  }
}
