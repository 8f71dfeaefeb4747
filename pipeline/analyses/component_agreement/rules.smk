# Agreement of subjects' maps of components.


rule correlate_maps:
    input:
        maps=expand(f"{RESULTS}/maps/{{subject}}/{WHOLE}", subject=STUDY.subjects),
        components=f"{RESULTS}/interpretation/components.h5",
    output:
        ANALYSIS_TABLES["component_agreement"],
    resources:
        # a whole map at a time, and of each subject the places with values
        **per_attempt(mem_mb=1500 + 100 * len(STUDY.subjects), runtime=30),
    params:
        **parameters("correlate_maps"),
    shell:
        command("correlate_maps")
