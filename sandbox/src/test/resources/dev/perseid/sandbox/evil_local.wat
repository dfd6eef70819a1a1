;; Invalid: reads local 0 of a function that has none; metering adds locals.
(module (memory (export "memory") 1)
  (func (export "step") (result i32) (local.set 0 (i64.const 9000000000000000000)) (i32.const 1)))
