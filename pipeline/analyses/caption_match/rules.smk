# Match of images with their captions.


rule match_captions:
    input:
        image=f"{RESULTS}/features/{{subject}}/{STUDY.caption_match.image}.h5",
        captions=f"{RESULTS}/features/{{subject}}/{STUDY.caption_match.captions}.h5",
        identification=f"{RESULTS}/identification/{{subject}}.h5",
    output:
        f"{RESULTS}/caption_match/{{subject}}.h5",
    resources:
        **per_attempt(mem_mb=1500, runtime=15),
    params:
        **parameters("match_captions"),
    shell:
        command("match_captions")
