"""How Numba compiles what only compiled code calls: typed and lowered, but not made machine code.

Imports Numba, so it is imported only when something is compiled. Numba brings each function all the way to machine
code, optimised with all that it inlines, and then throws that away where a caller inlines it: with calls eight deep,
most of what it does. Here LLVM optimises and emits the whole once, in the entry point that Python calls.
"""

from typing import Any

from numba.core import codegen, compiler, compiler_machinery, typed_passes


class InlinedLibrary(codegen.JITCodeLibrary):
    """The code of a function for its callers, in LLVM's terms."""

    @property
    def codegen(self) -> "InlinedLibrary":
        """Return what Numba tells the address of the function's environment: nobody, as nothing is loaded."""
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """Do without an environment: it is that of the entry point."""

    def _optimize_final_module(self) -> None:
        # The first of Numba's two rounds inlines and tidies; without it the callers would inline the untidied.
        made_by: Any = self._codegen
        passes, builder = made_by._module_pass_manager(
            loop_vectorize=False, slp_vectorize=False, opt=made_by._opt_level, cost="cheap"
        )
        passes.run(self._final_module, builder)

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()  # type: ignore[no-untyped-call]
        self._finalized = True


@compiler_machinery.register_pass(mutates_CFG=False, analysis_only=True)  # type: ignore[no-untyped-call]
class _TakeInlinedLibrary(compiler_machinery.LoweringPass):
    _name = "callprint_take_inlined_library"

    def __init__(self) -> None:  # abstract there
        pass

    def run_pass(self, state: Any) -> bool:
        state.library = InlinedLibrary(  # type: ignore[no-untyped-call]
            state.targetctx.codegen(), state.func_id.func_qualname
        )
        return False


class InlinedCompiler(compiler.CompilerBase):
    """Numba's compiler, for functions that become part of others."""

    def define_pipelines(self) -> list[Any]:
        """Return the usual steps, with a library of ours."""
        steps: Any = compiler.DefaultPassBuilder.define_nopython_pipeline(  # type: ignore[no-untyped-call]
            self.state
        )
        steps.add_pass_after(_TakeInlinedLibrary, typed_passes.AnnotateTypes)
        steps.finalize()
        return [steps]
