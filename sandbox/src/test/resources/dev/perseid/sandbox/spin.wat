;; Never comes back from its first step.
(module (memory (export "memory") 1)
  (func (export "step") (result i32) (loop (br 0)) (i32.const 1)))
