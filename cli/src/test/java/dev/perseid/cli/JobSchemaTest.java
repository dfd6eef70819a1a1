package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The published schema says the same as the reader.
class JobSchemaTest {
  private static final Path SCHEMA = Path.of("../docs/job.schema.json");
  private final Schema schema;

  JobSchemaTest() throws IOException {
    schema =
        SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
            .getSchema(Files.readString(SCHEMA), InputFormat.JSON);
  }

  private boolean valid(String yaml) {
    return schema.validate(yaml, InputFormat.YAML).isEmpty();
  }

  @Test
  void everyExampleIsValid() throws IOException {
    List<Path> jobs = new ArrayList<>();
    try (Stream<Path> files = Files.walk(Path.of("../examples"))) {
      files.filter(f -> f.endsWith("job.yaml")).forEach(jobs::add);
    }
    assertThat(jobs).isNotEmpty();
    for (Path job : jobs) {
      assertThat(schema.validate(Files.readString(job), InputFormat.YAML)).as("%s", job).isEmpty();
    }
  }

  @Test
  void itKnowsTheKeysThatTheReaderKnows() throws IOException {
    var root = new com.fasterxml.jackson.databind.ObjectMapper().readTree(SCHEMA.toFile());
    assertThat(names(root.get("properties")))
        .containsExactlyInAnyOrderElementsOf(JobReader.JOB_KEYS);
    assertThat(names(root.at("/$defs/task/properties")))
        .containsExactlyInAnyOrderElementsOf(JobReader.TASK_KEYS);
    assertThat(names(root.at("/properties/defaults/properties")))
        .containsExactlyInAnyOrderElementsOf(JobReader.LIMIT_KEYS);
    assertThat(root.at("/$defs/gas_limit/default").asLong()).isEqualTo(JobLimits.DEFAULT_GAS);
    assertThat(root.at("/$defs/memory_mib/default").asInt())
        .isEqualTo(JobLimits.DEFAULT_MEMORY_MIB);
    assertThat(root.at("/$defs/output_mib/default").asInt())
        .isEqualTo(JobLimits.DEFAULT_OUTPUT_MIB);
    assertThat(root.at("/$defs/wall_limit_ms/default").asLong())
        .isEqualTo(JobLimits.DEFAULT_WALL_MS);
    assertThat(root.at("/$defs/max_attempts/default").asInt())
        .isEqualTo(JobLimits.DEFAULT_ATTEMPTS);
  }

  @Test
  void itRefusesWhatTheReaderRefuses() {
    assertThat(valid("{name: a, budget_microcredits: 1, tasks: [{name: a, module: b}]}")).isTrue();
    assertThat(valid("{name: a, budget_microcredits: 0, tasks: [{name: a, module: b}]}")).isFalse();
    assertThat(valid("{name: a, budget_microcredits: 1, tasks: []}")).isFalse();
    assertThat(valid("{name: a, budget_microcredits: 1, tasks: [{name: a}]}")).isFalse();
    String program = "{name: a, budget_microcredits: 1, tasks: [{name: a, program: b, %s}]}";
    assertThat(valid(program.formatted("compare: lines"))).isTrue();
    assertThat(valid(program.formatted("compare: {numeric: {relative: 0.1}}, cores: 2"))).isTrue();
    assertThat(valid(program.formatted("compare: {module: c.wasm}"))).isTrue();
    assertThat(valid(program.formatted("compare: {}"))).isFalse();
    assertThat(valid(program.formatted("module: b"))).isFalse();
    assertThat(valid(program.formatted("platform: amiga"))).isFalse();
    assertThat(valid("{name: a, budget_microcredits: 1, tasks: [{name: a, module: b, cores: 2}]}"))
        .isFalse();
    assertThat(valid("{name: a, budget_microcredits: 1, tasks: [{name: a, modul: b}]}")).isFalse();
    assertThat(
            valid("{name: a, budget_microcredits: 1, tasks: [{name: a, module: b}], results: [a]}"))
        .isFalse();
  }

  private static List<String> names(com.fasterxml.jackson.databind.JsonNode object) {
    List<String> names = new ArrayList<>();
    object.fieldNames().forEachRemaining(names::add);
    return names;
  }
}
